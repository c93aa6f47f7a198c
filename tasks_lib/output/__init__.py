"""Rows out: results as Arrow tables, and in the formats of files.

A module belongs here if it knows how rows are written; it knows no database and no Prefect.
"""
