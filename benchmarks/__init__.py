"""Reproduce the figures of docs/concepts/performance.md; nothing here is installed."""
