"""An album that a person rates in a browser, and what is learnt of it meanwhile."""
