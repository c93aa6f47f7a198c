"""A ZIP archive read where it lies: what it holds, its CSV, and its members in good order."""

import hashlib
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Final

from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.intake.archive_directory import Entry, read_directory
from tasks_lib.intake.archive_paths import Lookalikes, UnsafePathError, canonical, top_folder_of
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.member_runs import Run, runs_of
from tasks_lib.intake.members import Content, check_methods, read_content, unpacked
from tasks_lib.intake.ranges import RangeFile, read_ahead
from tasks_lib.intake.sources import SourceFile

_CSVS_SHOWN: Final = 10
_OFFICE: Final = "[Content_Types].xml"
_NO_CSV_HINTS: Final = {
    (".xlsx", ".xls", ".ods", ".numbers"): "export {} as CSV",
    (".tsv", ".tab", ".txt"): "if {} is the table, name it with csv_name (--csv-name)",
    (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"): "unpack {} first, which is an archive itself",
}
"""What to do about a file that may have been taken for a CSV, by its suffix."""


class Archive:
    """What a ZIP archive holds; ``entries`` by their canonical path, without folders and junk.

    One folder around everything is looked through: paths begin inside of it. Raises
    SourceProblemError for an archive that is damaged, beyond the limits, or not safe to unpack.
    """

    def __init__(self, file: RangeFile, limits: Limits) -> None:
        self.file = file
        self._limits = limits
        entries = read_directory(file, limits)
        self._top = top_folder_of(entries)
        self.entries: Mapping[str, Entry] = _below(self._top, entries)

    def csv(self, csv_name: str) -> Entry:
        """Return the member named ``csv_name``; where that is empty, the archive's only CSV.

        A CSV outside of all folders goes before those in them.
        """
        if csv_name:
            return self._named_csv(csv_name)
        found = self._csvs()
        if len(found) > 1:
            raise _several(found)
        if not found:
            raise SourceProblemError(Problem("no_csv", _why_no_csv(self.entries)))
        return self.entries[found[0]]

    def find(self, cell: str) -> Entry:
        """Return the member that a cell names; raise ValueProblemError where none is."""
        found = self.entries.get(cell)
        if found is not None:
            return found
        try:
            path = canonical(cell)
        except UnsafePathError as reason:
            message = f"{visible(cell)} {reason}; give a path inside the archive"
            raise ValueProblemError("invalid_path", message) from None
        found = self._at(path)
        if found is None:
            message = f"{visible(cell)} is not in the archive{self._suggestion(path)}"
            raise ValueProblemError("file_not_found", message)
        return found

    def extract(self, entry: Entry, path: Path) -> SourceFile:
        """Unpack a member to ``path``; return it as a source called as in the archive."""
        check_methods([entry])
        digest = hashlib.sha256()
        with path.open("wb") as target, closing(self._chunks(entry)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
        found = path.stat()
        return SourceFile(entry.path, path, found.st_size, digest.hexdigest(), found.st_mtime_ns)

    def batches(self, entries: Iterable[Entry]) -> Generator[list[Content]]:
        """Yield the members' contents in the order in which they lie, each once.

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
            chunks = unpacked(entry, pieces, self._limits)
            yield read_content(entry, chunks, partial(self._chunks, entry))

    def _chunks(self, entry: Entry) -> Generator[bytes]:
        (run,) = runs_of([entry])
        with closing(read_ahead(self.file, run.ranges)) as parts:
            yield from unpacked(entry, parts, self._limits)

    def _named_csv(self, csv_name: str) -> Entry:
        try:
            found = self._at(canonical(csv_name))
        except UnsafePathError as reason:
            message = f"the CSV's name {visible(csv_name)} {reason}; give a path in the archive"
            raise SourceProblemError(Problem("csv_not_found", message)) from None
        if found is None:
            near = did_you_mean(csv_name, filter(_is_csv, self.entries))
            message = f"the archive holds no {visible(csv_name)}{near}"
            raise SourceProblemError(Problem("csv_not_found", message))
        return found

    def _csvs(self) -> list[str]:
        found = sorted(filter(_is_csv, self.entries))
        return [path for path in found if "/" not in path] or found

    def _at(self, path: str) -> Entry | None:
        return self.entries.get(path) or (
            self.entries.get(path.removeprefix(self._top)) if self._top else None
        )

    def _suggestion(self, path: str) -> str:
        found = self._lookalikes.of(path.removeprefix(self._top))
        return f"; did you mean {visible(found)}?" if found is not None else ""

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
    message = (
        f"the archive holds {len(paths):,} CSVs: {shown}{more}; "
        "say which one with csv_name (--csv-name)"
    )
    return SourceProblemError(Problem("several_csvs", message))


def _why_no_csv(paths: Iterable[str]) -> str:
    paths = list(paths)
    if _OFFICE in paths:
        return "the archive is an Office document; export it as CSV"
    hints = [
        hint.format(visible(found))
        for suffixes, hint in _NO_CSV_HINTS.items()
        if (found := next((path for path in paths if path.lower().endswith(suffixes)), None))
    ]
    return "; ".join(["the archive holds no CSV", *(hints or ["add one with a row for each task"])])
