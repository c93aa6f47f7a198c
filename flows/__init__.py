"""The flows: one module for each way of creating tasks, and one for upkeep.

A module belongs here if it only arranges steps; it accesses no database and no file.
"""
