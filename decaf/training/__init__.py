"""Heads finetuned on cached activations."""
