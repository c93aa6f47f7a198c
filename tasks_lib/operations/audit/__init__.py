"""Read the audit trail, which records who did what and when.

Each act appends its own entry, in its own transaction, with ``store.audit.record``.
"""
