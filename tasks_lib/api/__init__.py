"""The External API: HTTP in, operations called, JSON out. Knows no SQL and no Prefect."""
