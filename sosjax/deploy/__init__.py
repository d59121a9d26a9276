"""How a member is shipped."""
