"""The database: tables, engine and queries. Functions take a session and never commit."""
