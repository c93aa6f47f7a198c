"""Serving the API: the server, its connections and threads, and the middleware before the routes.

A module belongs here if it concerns every request; it knows no route.
"""
