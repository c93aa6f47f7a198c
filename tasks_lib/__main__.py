"""``python -m tasks_lib`` is the command ``seeding``."""

from tasks_lib.cli import main

if __name__ == "__main__":  # each process of the HTTP API loads this, too
    main()
