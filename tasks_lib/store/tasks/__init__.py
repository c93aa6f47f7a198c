"""Tasks: insert, read and claim them, and move and count them.

A module belongs here if it concerns the tasks of any pipeline, with or without a key.
"""
