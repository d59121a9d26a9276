"""What can be removed from a network, and how it runs without it."""
