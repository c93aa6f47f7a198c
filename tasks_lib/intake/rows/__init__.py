"""Rows from any source: blocks, columns, checks, rejects and mapping.

A module belongs here if every kind of source shares it.
"""
