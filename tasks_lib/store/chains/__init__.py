"""Chains: their rules, the finished tasks in their inbox, and the rows a stream has let through.

A module belongs here if it concerns the way of finished tasks into another pipeline.
"""
