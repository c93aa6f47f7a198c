"""``make demo``: every way of creating tasks, on the embedded defaults, in one run."""
