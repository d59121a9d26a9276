"""The one pass from a network to its sets."""
