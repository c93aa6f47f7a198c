"""The catalogue: make the store match a file.

A module belongs here if it reads or changes the definition of pipelines.
"""
