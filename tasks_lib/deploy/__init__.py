"""Register the deployments that ``prefect.yaml`` declares on a Prefect server.

A module belongs here if it reads the manifest, loads its flows or registers them.
"""
