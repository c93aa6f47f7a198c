"""Tasks in the JSON body of a request: parsed exactly, checked and turned into rows.

A module belongs here if it knows the bodies that create tasks over HTTP.
"""
