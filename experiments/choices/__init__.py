"""What decaf does one way of several, and what that is worth."""
