"""What surrounds every flow run: its signature, name, heartbeat, workspace, and how it ends."""
