"""Tasks: read them, and move them along their lifecycle as contributors work.

A module belongs here if it reads or changes tasks that exist already.
"""
