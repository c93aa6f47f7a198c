"""Datasets: import, refresh, list and export them, and keep mappings from their columns.

A module belongs here if it reads or writes the Data Vault.
"""
