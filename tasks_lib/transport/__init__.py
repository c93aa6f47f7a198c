"""Transport: how bytes are fetched, by path or URL, whole or in parts, with retries.

A module belongs here if it knows file systems and networks, and neither formats nor storage.
"""
