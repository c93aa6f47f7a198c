"""The ways of creating tasks, one module for each: orchestration only."""
