"""Connections to the databases: addresses, drivers, clocks.

A module belongs here if it knows how one of the databases is reached; ``store.engine`` opens both.
"""
