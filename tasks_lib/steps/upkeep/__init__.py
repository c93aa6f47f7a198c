"""The run that keeps everything going, its successor, and the runs it tidies up."""
