"""Where commands write: standard output and error, and files that the user names."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from shutil import get_terminal_size
from typing import BinaryIO, Final

from rich.console import Console, ConsoleOptions

from tasks_lib.errors import SeedingError, UnavailableError, UsageError

_WIDTH_OF_A_PIPE: Final = 2**20
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class HelpOutput(Console):
    """A console that goes on in silence when its reader, such as ``head``, closes the pipe."""

    def on_broken_pipe(self) -> None:
        """Discard the rest."""
        self.quiet = True
        _discard_output()


class Output(HelpOutput):
    """A console that cuts and wraps tables only for a terminal: a program gets whole lines."""

    @property
    def options(self) -> ConsoleOptions:
        """The options, with the width of the terminal or of the variable COLUMNS."""
        options = super().options
        if self.is_terminal:
            return options
        return options.update_width(get_terminal_size((_WIDTH_OF_A_PIPE, 25)).columns)


out: Final = Output(emoji=False, highlight=False, soft_wrap=True)
err: Final = Output(emoji=False, highlight=False, soft_wrap=True, stderr=True)


def set_encodings() -> None:
    """Write UTF-8 to programs in any locale, and to a terminal the characters that it can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def write(texts: Iterable[str]) -> None:
    """Write texts to standard output, exactly as they are."""
    try:
        out.file.writelines(texts)
        out.file.flush()
    except BrokenPipeError:
        _discard_output()


def write_file(path: Path, texts: Iterable[str], *, overwrites: bool) -> None:
    """Write texts to a file that the user has named; raise as ``new_file``."""
    with new_file(path, overwrites=overwrites) as file:
        file.writelines(text.encode() for text in texts)


@contextmanager
def new_file(path: Path, *, overwrites: bool = False) -> Iterator[BinaryIO]:
    """Open a file for a block that writes it, and remove it again if the block fails.

    Raises UsageError if the file exists and ``overwrites`` is False, or cannot be written, and
    UnavailableError if the disk is full.
    """
    try:
        with path.open("wb" if overwrites else "xb") as file:
            try:
                yield file
                file.flush()
            except BaseException:
                _remove(path)
                raise
    except FileExistsError:
        raise UsageError(f"{path} exists; to replace it, add --overwrite") from None
    except OSError as error:
        raise cannot_write(error, path) from None


def cannot_write(error: OSError, path: Path) -> SeedingError:
    """Return the error for a file or a folder that cannot be written."""
    if is_disk_full(error):
        return disk_full(error)
    return UsageError(f"{path} cannot be written: {error.strerror}")


def is_disk_full(error: OSError) -> bool:
    """Return whether a file could not be written because the disk or the quota is used up."""
    return error.errno in _DISK_FULL


def disk_full(error: OSError) -> UnavailableError:
    """Return the error to report."""
    return UnavailableError(f"the disk is full: {error}; free some space")


def _remove(path: Path) -> None:
    """Remove an unfinished file, but no device such as /dev/stdout."""
    with suppress(OSError):
        if path.is_file():
            path.unlink()


def _discard_output() -> None:
    """Let what is still to be written to standard output go nowhere, without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
