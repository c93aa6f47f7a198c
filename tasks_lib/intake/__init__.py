"""Bytes and foreign tables in; rows, values and problems out.

A package belongs here if it knows a format; it knows no database and no Prefect.
"""
