"""Upkeep: deliver pending events, finish interrupted work, remove unused files.

A module belongs here if it repairs what a lost event or a killed process left behind.
"""
