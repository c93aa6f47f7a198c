"""The catalogue: make the store match a file.

A module belongs here if it reads or changes what pipelines look like.
"""
