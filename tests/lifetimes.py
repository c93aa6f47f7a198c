"""How long what tests share stays.

An idle Prefect server takes a tenth of a core. A fixture of the session would keep it at work until
the process has run all other tests, too.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

T = TypeVar("T")

_KEPT: Final = pytest.StashKey[dict[object, Any]]()


def share_in_folder(
    request: pytest.FixtureRequest, start: Callable[[Path], AbstractContextManager[T]]
) -> T:
    """Start something once for all tests of a folder that a process runs one after the other.

    It ends after the last of them. ``start`` gets a new folder for its files.
    """
    folder = next(
        node for node in request.node.iter_parents() if isinstance(node, pytest.Directory)
    )
    kept = folder.stash.setdefault(_KEPT, {})
    if start not in kept:
        files: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        running = ExitStack()
        kept[start] = running.enter_context(start(files.mktemp("shared")))
        running.callback(kept.pop, start)
        folder.addfinalizer(running.close)
    shared: T = kept[start]
    return shared
