"""The local stack, the demo, and the strict check of ``prefect.yaml``.

A module belongs here if it starts or describes processes; it holds no flow code.
"""
