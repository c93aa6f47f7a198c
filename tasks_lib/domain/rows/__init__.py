"""Rows of any source: how they are written, their header, their keys, and how many may be bad.

A module belongs here if it concerns whole rows; single values are in ``domain.values``.
"""
