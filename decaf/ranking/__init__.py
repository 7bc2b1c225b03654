"""An album in order: the ranking, its stacks, its page."""
