"""The loads to compare on each database: names, rows and tables; a helper of the benchmarks."""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Candidate:
    """A load to compare.

    ``loader`` is its module in ``benchmarks.loaders``, ``table`` where its rows arrive. A slow one
    takes only a tenth of the rows, and is compared by its rows a second. ``lacks`` says what it
    leaves undone that our operation does.
    """

    name: str
    loader: str
    table: str = "tasks"
    takes_shaped_rows: bool = False
    takes_a_tenth: bool = False
    lacks: str = ""

    @property
    def makes_tasks(self) -> bool:
        """Whether it loads into the tasks of a store, not into a table of its own."""
        return self.table == "tasks"


OPERATION: Final = Candidate("our operation: fetch, hash, parse, check, shape, write", "operation")
FLOW: Final = Candidate("our Prefect flow around it, in process", "prefect_flow")
FRAME: Final = Candidate(
    "our seed() of the same rows in a DataFrame: convert, hash, check, shape, write",
    "frame_operation",
    lacks="its rows were read from the CSV before its clock started",
)

_SHAPED: Final = "reads no CSV and checks nothing: its rows were shaped before its clock started"
_PLAIN: Final = "checks nothing; the table has text columns and no index, key or constraint"
_PANDAS: Final = Candidate("pandas.read_csv, to_sql", "pandas_to_sql", "reviews", lacks=_PLAIN)
_DLT: Final = Candidate(
    "dlt pipeline",
    "dlt_pipeline",
    "reviews",
    takes_a_tenth=True,
    lacks=f"{_PLAIN} but dlt's own unique row id; not in one transaction",
)

CANDIDATES: Final = {
    "postgresql": (
        Candidate(
            r"**baseline**: psql \copy of shaped rows",
            "psql_copy",
            takes_shaped_rows=True,
            lacks=_SHAPED,
        ),
        OPERATION,
        FLOW,
        FRAME,
        _PANDAS,
        _DLT,
    ),
    "sqlite": (
        Candidate(
            "**baseline**: sqlite3 executemany of shaped rows",
            "sqlite_executemany",
            takes_shaped_rows=True,
            lacks=f"{_SHAPED}, as objects in memory",
        ),
        OPERATION,
        FLOW,
        FRAME,
        _PANDAS,
        _DLT,
        Candidate(
            "sqlite-utils insert_all",
            "sqlite_utils_insert",
            "reviews",
            lacks=f"{_PLAIN}; a transaction for every hundred rows",
        ),
    ),
}
"""For each kind of database, the baseline first."""


def database_kinds(text: str) -> list[str]:
    """Read the kinds of databases from an option, separated by commas."""
    kinds = text.split(",")
    if not set(kinds) <= set(CANDIDATES):
        raise ArgumentTypeError(f"{text!r} is not of {', '.join(CANDIDATES)}, with commas between")
    return kinds
