"""Uploads: files received from API clients, each processed exactly once.

A module belongs here if it handles an upload from its start to its report.
"""
