"""What runs the flows: the check of prefect.yaml, and a Prefect of one's own on one machine."""
