"""Models: a network and a classifier on its features; made, kept, exported."""
