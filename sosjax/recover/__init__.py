"""How members are healed: trained further, a whole front at once."""
