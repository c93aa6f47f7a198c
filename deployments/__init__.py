"""The local stack and the demo.

A module belongs here if it starts or describes processes; it holds no flow code.
"""
