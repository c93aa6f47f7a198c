"""Frames: rows that a Python program holds, such as a DataFrame, an Arrow table or dicts.

A module belongs here if it reads such rows; ``python_values`` has the table of conversions.
"""
