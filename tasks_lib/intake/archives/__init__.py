"""ZIP archives: their directory, members and paths, and the intake of a CSV with its files.

A module belongs here if it knows the ZIP format or the files inside one.
"""
