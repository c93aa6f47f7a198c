"""The HTTP API: read a request, call an operation, answer with JSON.

A module belongs here if it knows HTTP; it knows no SQL and no Prefect.
"""
