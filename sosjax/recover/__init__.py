"""How members are recovered: trained further, a whole front at once."""
