"""Pure mathematics on costs [P, K]."""
