"""Chains: create and manage them, and fire the ones that are due.

A module belongs here if it concerns tasks that are created from tasks of another pipeline.
"""
