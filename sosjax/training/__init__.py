"""How networks and sub-networks are trained: pure functions, with optax."""
