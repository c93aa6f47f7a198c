"""The run forms of the flows: their inputs, and the names that these offer."""
