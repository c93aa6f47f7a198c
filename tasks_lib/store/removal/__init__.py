"""Removal: undo groups, erase personal data, delete pipelines and datasets.

A module belongs here if it removes what is stored; each keeps the counts exact.
"""
