"""Waiting for groups: in place, or as rows of suspended flow runs.

A module belongs here if it answers whether a wait is over, or does something about it.
"""
