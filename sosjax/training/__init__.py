"""How networks and sub-networks are trained: settings, and pure functions with optax."""
