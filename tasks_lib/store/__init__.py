"""The database: tables, migrations, engine and statements.

A module belongs here if it holds SQL; its functions take a session and never commit.
"""
