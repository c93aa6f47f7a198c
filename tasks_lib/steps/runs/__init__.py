"""The parts that all flow runs share: signature, name, heartbeat, workspace and end."""
