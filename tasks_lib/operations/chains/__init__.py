"""Chains: create and manage them, and fire the ones that are due.

A module belongs here if it knows what flows from one pipeline into another.
"""
