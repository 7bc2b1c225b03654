"""Bayesian-network classifiers: structures, tables, discretisers, and the way to pgmpy."""
