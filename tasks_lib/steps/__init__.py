"""Thin Prefect steps around the operations; with ``flows``, the only code that imports Prefect."""
