"""Retention: delete finished and withdrawn tasks after the time that their pipeline declares.

A module belongs here if it deletes tasks because they are old.
"""
