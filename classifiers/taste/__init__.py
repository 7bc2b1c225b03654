"""A person's taste, learnt while they rate: stars and pairs, which photo next, and how sure."""
