"""Datasets: their rows and versions, and the mappings saved for them.

A module belongs here if it concerns the Data Vault of an organization.
"""
