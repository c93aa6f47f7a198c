"""Infinite seeding: switch it on and off, watch claims, and top pipelines up.

A module belongs here if it keeps tasks available as contributors claim them.
"""
