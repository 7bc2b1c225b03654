"""Photos → activations → feature files: decoding and forward pass, cache, shards, cluster."""
