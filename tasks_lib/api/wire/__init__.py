"""The JSON documents of the API's answers: types, builders, and an example of each.

A module belongs here if it turns results of operations into documents; it knows no routes.
"""
