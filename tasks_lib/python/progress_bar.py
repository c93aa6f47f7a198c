"""Show the progress of a wait on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn

from tasks_lib.domain.progress import OnProgress, Progress


@contextmanager
def progress_bar(name: str) -> Iterator[OnProgress]:
    """Yield a function that updates a bar on stderr, if that is a terminal; it disappears."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)

        def update(progress: Progress) -> None:
            description = f"{name}: {progress.done:,} of {progress.total:,} tasks done"
            bar.update(task, completed=progress.done, total=progress.total, description=description)

        yield update
