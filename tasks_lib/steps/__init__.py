"""Thin Prefect steps around the operations, and the client of Prefect's API.

A module belongs here if it imports Prefect; of the other packages, only ``flows`` does.
"""
