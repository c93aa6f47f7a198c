"""``python -m tasks_lib`` is the command ``seeding``."""

from tasks_lib.cli import main

main()
