"""Thin Prefect steps around the operations, and the client of Prefect's API.

A module belongs here if it wraps an act as a step, or talks to a Prefect server.
"""
