"""Migrations: they upgrade the store of one release to that of the next."""
