"""Edits of photos that a model expects to help: suggested, shown before and after, applied."""
