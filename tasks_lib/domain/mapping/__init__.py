"""Mapping: which column or JSONPath of a source fills which field, and how its values convert.

Reading a source belongs in ``intake``, writing tasks in ``store``.
"""
