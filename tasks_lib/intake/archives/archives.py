"""A ZIP archive, read in place: its members, its CSV, and their contents in batches."""

import hashlib
import re
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Final

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archive_directory import Entry, read_directory
from tasks_lib.intake.archives.archive_paths import (
    Lookalikes,
    UnsafePathError,
    bare,
    canonical,
    top_folder_of,
)
from tasks_lib.intake.archives.code_pages import CodePages
from tasks_lib.intake.archives.member_runs import Run, runs_of
from tasks_lib.intake.archives.members import Content, check_methods, read_content, unpack
from tasks_lib.transport.fetch import SourceFile
from tasks_lib.transport.ranges import RangeFile, read_ahead

_CSVS_SHOWN: Final = 10
_LIST: Final = re.compile(r"[;,|\n]")
_OFFICE: Final = "[Content_Types].xml"
_NO_CSV_HINTS: Final = {
    (".xlsx", ".xls", ".ods", ".numbers"): "export {} as CSV",
    (".tsv", ".tab", ".txt"): "if {} is the table, name it with csv_name",
    (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"): "unpack {} first, which is an archive itself",
}
"""Advice about a file that may be the table, by its suffix."""


class Archive:
    """The members of a ZIP archive: ``entries`` by canonical path, without folders and junk.

    If one folder contains everything, paths begin inside it. Raises SourceProblemError for an
    archive that is damaged, exceeds the limits, or is not safe to unpack.
    """

    def __init__(self, file: RangeFile, limits: Limits, names_encoding: str = "") -> None:
        self.file = file
        self._limits = limits
        entries = read_directory(file, limits, names_encoding)
        self._top = top_folder_of(entries)
        self.entries: Mapping[str, Entry] = _below(self._top, entries)

    def csv(self, csv_name: str) -> Entry:
        """Return the member named ``csv_name``, or if that is empty the archive's only CSV.

        A CSV outside of all folders takes precedence over those in folders.
        """
        if csv_name:
            return self._named_csv(csv_name)
        paths = self._csvs()
        if len(paths) > 1:
            raise _several(paths)
        if not paths:
            raise SourceProblemError(Problem("no_csv", _why_no_csv(self.entries)))
        return self.entries[paths[0]]

    def find(self, cell: str) -> Entry:
        """Return the member that a cell names; raise ValueProblemError if there is none."""
        entry = self.entries.get(cell)
        if entry is not None:
            return entry
        try:
            path = canonical(cell)
        except UnsafePathError as reason:
            message = f"{visible(cell)} {reason}; give a path inside the archive"
            raise ValueProblemError("invalid_path", message) from None
        entry = self._at(path)
        if entry is None:
            message = f"{visible(cell)} is not in the archive{self._advice(cell, path)}"
            raise ValueProblemError("file_not_found", message)
        return entry

    def extract(self, entry: Entry, path: Path) -> SourceFile:
        """Unpack a member to ``path``; return it as a source named by its path in the archive."""
        check_methods([entry])
        digest = hashlib.sha256()
        with path.open("wb") as target, closing(self._chunks(entry)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
        status = path.stat()
        return SourceFile(entry.path, path, status.st_size, digest.hexdigest(), status.st_mtime_ns)

    def batches(self, entries: Iterable[Entry]) -> Generator[list[Content]]:
        """Yield the members' contents in the order of the archive, each once.

        A batch holds 256 members and 4 MiB at most, or one that is larger. Raises
        SourceProblemError at the first one that is damaged.
        """
        runs = list(runs_of(entries))
        check_methods(entry for run in runs for entry in run.entries)
        ranges = (part for run in runs for part in run.ranges)
        with closing(read_ahead(self.file, ranges)) as parts:
            for run in runs:
                yield list(self._contents(run, islice(parts, len(run.ranges))))

    def others(self, used: Container[Entry]) -> list[str]:
        """Return the paths of all members that are not ``used``, sorted."""
        return sorted(path for path, entry in self.entries.items() if entry not in used)

    def _contents(self, run: Run, parts: Iterator[bytes]) -> Iterator[Content]:
        for entry, pieces in run.pieces(parts):
            chunks = unpack(entry, pieces, self._limits)
            yield read_content(entry, chunks, partial(self._chunks, entry))

    def _chunks(self, entry: Entry) -> Generator[bytes]:
        (run,) = runs_of([entry])
        with closing(read_ahead(self.file, run.ranges)) as parts:
            yield from unpack(entry, parts, self._limits)

    def _named_csv(self, csv_name: str) -> Entry:
        try:
            entry = self._at(canonical(csv_name))
        except UnsafePathError as reason:
            message = f"the CSV's name {visible(csv_name)} {reason}; give a path in the archive"
            raise SourceProblemError(Problem("csv_not_found", message)) from None
        if entry is None:
            near = self._names.advice(canonical(csv_name)) or did_you_mean(
                csv_name, filter(_is_csv, self.entries)
            )
            message = f"the archive holds no {visible(csv_name)}{near}"
            raise SourceProblemError(Problem("csv_not_found", message))
        return entry

    def _csvs(self) -> list[str]:
        paths = sorted(filter(_is_csv, self.entries))
        return [path for path in paths if "/" not in path] or paths

    def _at(self, path: str) -> Entry | None:
        inner = path.removeprefix(self._top)
        return self.entries.get(path) or self.entries.get(inner) or self._by_bare_path(inner)

    def _by_bare_path(self, path: str) -> Entry | None:
        """Return the only member whose path has the same visible characters, or None."""
        if path.isascii() and not self._bare_paths:
            return None
        found = self._bare_paths.get(bare(path), [])
        return self.entries[found[0]] if len(found) == 1 else None

    @cached_property
    def _bare_paths(self) -> dict[str, list[str]]:
        """The paths without invisible characters, with those that have some."""
        paths: dict[str, list[str]] = {}
        for path in self.entries:
            if not path.isascii():
                paths.setdefault(bare(path), []).append(path)
        return paths

    @cached_property
    def _names(self) -> CodePages:
        return CodePages([entry for entry in self.entries.values() if entry.is_guessed])

    def _advice(self, cell: str, path: str) -> str:
        """Return what may be meant by a path that is not in the archive."""
        parts = [part.strip() for part in _LIST.split(cell)]
        if len(parts) > 1 and all(part in self.entries for part in parts):
            return f"; it names {len(parts):,} files of it, and a field holds one"
        advice = self._names.advice(path)
        if advice:
            return advice
        similar = self._lookalikes.of(path.removeprefix(self._top))
        return f"; did you mean {visible(similar)}?" if similar is not None else ""

    @cached_property
    def _lookalikes(self) -> Lookalikes:
        return Lookalikes(self.entries)


def _below(top: str, entries: dict[str, Entry]) -> dict[str, Entry]:
    if not top:
        return entries
    inner = (path.removeprefix(top) for path in entries)
    return {
        path: replace(entry, path=path) for path, entry in zip(inner, entries.values(), strict=True)
    }


def _is_csv(path: str) -> bool:
    return path.lower().endswith(".csv")


def _several(paths: list[str]) -> SourceProblemError:
    shown = ", ".join(map(visible, paths[:_CSVS_SHOWN]))
    more = ", ..." if len(paths) > _CSVS_SHOWN else ""
    message = f"the archive holds {len(paths):,} CSVs: {shown}{more}; say which one with csv_name"
    return SourceProblemError(Problem("several_csvs", message))


def _why_no_csv(paths: Iterable[str]) -> str:
    paths = list(paths)
    if _OFFICE in paths:
        return "the archive is an Office document; export it as CSV"
    hints = [
        hint.format(visible(match))
        for suffixes, hint in _NO_CSV_HINTS.items()
        if (match := next((path for path in paths if path.lower().endswith(suffixes)), None))
    ]
    return "; ".join(["the archive holds no CSV", *(hints or ["add one with a row for each task"])])
