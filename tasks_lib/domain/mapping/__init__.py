"""Mapping: which column or JSONPath of a source fills which field, and how its values convert.

Reading a source and writing tasks belong in ``intake`` and ``store``.
"""
