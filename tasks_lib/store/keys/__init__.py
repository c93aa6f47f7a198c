"""The keys of tasks: each key once in its pipeline, whichever way a row comes in.

A module belongs here if it compares the rows of a source with the tasks that have their keys.
"""
