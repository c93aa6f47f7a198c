"""What the performance figures in docs/performance.md come from; nothing here is installed."""
