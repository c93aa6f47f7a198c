"""CSV files: records, encodings, the reader and the intake of one file.

A module belongs here if it knows the CSV format.
"""
