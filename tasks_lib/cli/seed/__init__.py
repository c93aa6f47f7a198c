"""Seeding from the command line: a command for each kind of source, and their common run.

A module belongs here if it holds ``seed`` commands; how all commands print is in ``cli.output``.
"""
