"""The paper's tables and figures, and benchmarks; their results are in `experiments/results`."""
