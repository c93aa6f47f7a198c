"""Waiting for groups: in place, or as rows of suspended flow runs.

A module belongs here if it concerns a wait; groups themselves are in ``operations.groups``.
"""
