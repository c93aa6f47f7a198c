"""Erase personal data, and keep the record of the work.

A module belongs here if it makes stored data unreadable for good.
"""
