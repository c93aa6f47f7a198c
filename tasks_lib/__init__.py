"""The library of tasks: everything that seeds work for people, except the flows themselves."""

__version__ = "0.3.0.dev0"
