"""Flow runs that are suspended until people have finished a group."""
