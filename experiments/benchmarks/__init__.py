"""What decaf's speed and memory are, beside others and what the machine allows."""
