"""Arguments and options that several commands share.

A module belongs here if it parses them or asks what they leave open.
"""
