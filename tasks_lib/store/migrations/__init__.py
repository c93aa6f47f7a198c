"""How a store of one release becomes that of the next."""
