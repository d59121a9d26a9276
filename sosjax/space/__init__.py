"""How a candidate is written down."""
