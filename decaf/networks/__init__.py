"""Backbones, the heads on them, and the files of both."""
