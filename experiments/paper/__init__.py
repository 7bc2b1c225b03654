"""The paper's tables and figures, and its future work."""
