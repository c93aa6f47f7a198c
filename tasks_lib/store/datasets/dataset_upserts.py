"""Upsert rows of a dataset by key: new rows are added, changed ones keep their former values.

The rows are first collected in a temporary table, then written by statements that treat all of them
at once, so that memory does not grow with them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.datasets.dataset_rows import find_last_row
from tasks_lib.store.datasets.datasets import Dataset
from tasks_lib.store.dialect import is_postgresql

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE_ROWS: Final = 5_000

SameRow = Callable[[str, str], bool]
"""Returns whether two JSON objects hold the same members."""


class Repeated(NamedTuple):
    """A row whose key an earlier row has: the numbers of both, and its JSON text."""

    row: int
    first: int
    value: str


class Upserted(NamedTuple):
    """How many rows were added, or returned; changed; and removed. The others were as before."""

    added: int
    changed: int
    removed: int


class ArrivingRows:
    """Rows with keys, collected in a temporary table until they are upserted.

    ``prepare`` follows the last ``add`` and comes before all else.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_postgresql = is_postgresql(session)
        number = "BIGINT" if self._is_postgresql else "INTEGER PRIMARY KEY"
        session.execute(
            text(
                f"CREATE TEMPORARY TABLE arriving_rows (row {number}, value TEXT NOT NULL,"
                " key TEXT NOT NULL)"
            )
        )

    def add(self, batches: "Iterable[Sequence[pa.Array]]") -> int:
        """Add rows, given as arrays of numbers, JSON objects and keys; return how many."""
        return insert_rows(self._session, "arriving_rows", {}, ("row", "value", "key"), batches)

    def prepare(self) -> None:
        """Prepare the lookup of keys, once all rows are there."""
        if self._is_postgresql:
            self._session.execute(text("ANALYZE arriving_rows"))
        else:
            self._session.execute(text("CREATE INDEX temp.ix_arriving ON arriving_rows (key)"))

    def take_repeated(self, limit: int) -> tuple[int, list[Repeated]]:
        """Remove the rows whose key an earlier one has; return how many, and the first ones."""
        if self._session.scalar(_HAS_REPEATED) is None:
            return 0, []
        listed = [Repeated(*row) for row in self._session.execute(_REPEATED, {"limit": limit})]
        count = self._session.scalar(_COUNT_REPEATED) or 0
        self._session.execute(_DROP_REPEATED)
        return count, listed

    def count_missing(self, dataset: Dataset) -> int:
        """Return how many rows of the dataset have not arrived."""
        parameters = {"id": dataset.id, "base": dataset.base_version}
        return self._session.scalar(_COUNT_MISSING, parameters) or 0

    def upsert(
        self, dataset: Dataset, version: int, same_row: SameRow, *, removes_missing: bool
    ) -> Upserted:
        """Write the rows as a version of the locked dataset, and drop the temporary table."""
        session = self._session
        parameters = {"id": dataset.id, "version": version, "base": dataset.base_version}
        last = find_last_row(session, dataset)
        session.execute(_CREATE_DIFFERING)
        changed = returned = removed = 0
        if last:
            session.execute(_COLLECT_DIFFERING, {"id": dataset.id})
            self._drop_equal(same_row)
            returned = session.scalar(_COUNT_RETURNED) or 0
            changed = (session.scalar(_COUNT_DIFFERING) or 0) - returned
            session.execute(_KEEP_FORMER, parameters)
            session.execute(_UPDATE_POSTGRESQL if self._is_postgresql else _UPDATE, parameters)
            if removes_missing:
                removed = session.execute(_REMOVE_MISSING, parameters).rowcount  # type: ignore[attr-defined]
        insert = _INSERT_POSTGRESQL if self._is_postgresql else _INSERT
        added = session.execute(insert, {**parameters, "last": last}).rowcount  # type: ignore[attr-defined]
        session.execute(_DROP_DIFFERING)
        self.drop()
        return Upserted(added + returned, changed, removed)

    def set_keys(self) -> None:
        """Give rows of the dataset, collected with their ids as numbers, their keys; and drop."""
        self._session.execute(_SET_KEYS)
        self.drop()

    def drop(self) -> None:
        """Drop the temporary table."""
        self._session.execute(_DROP)

    def _drop_equal(self, same_row: SameRow) -> None:
        """Leave out rows that are only spelled differently."""
        after = 0
        while True:
            page = self._session.execute(_PAGE, {"after": after}).all()
            if not page:
                return
            after = page[-1][0]
            equal = [row_id for row_id, former, value in page if same_row(former, value)]
            if equal:
                self._session.execute(_DROP_EQUAL, {"ids": equal})


def list_rows_by_id(session: Session, dataset: Dataset, after: int) -> list[tuple[int, str]]:
    """Return the next rows of the dataset by id, as ids and JSON texts."""
    parameters = {"id": dataset.id, "base": dataset.base_version, "after": after}
    return [(row_id, value) for row_id, value in session.execute(_ROWS_PAGE, parameters)]


_HAS_REPEATED: Final = text("SELECT 1 FROM arriving_rows GROUP BY key HAVING count(*) > 1 LIMIT 1")
_FIRSTS: Final = "(SELECT key, min(row) AS row FROM arriving_rows GROUP BY key HAVING count(*) > 1)"
_JOIN_REPEATED: Final = (
    f"FROM arriving_rows a JOIN {_FIRSTS} f ON f.key = a.key WHERE a.row > f.row"
)
_REPEATED: Final = text(
    f"SELECT a.row, f.row, a.value {_JOIN_REPEATED} ORDER BY a.row LIMIT :limit"
)
_COUNT_REPEATED: Final = text(f"SELECT count(*) {_JOIN_REPEATED}")
_DROP_REPEATED: Final = text(
    f"DELETE FROM arriving_rows WHERE row IN (SELECT a.row {_JOIN_REPEATED})"  # noqa: S608
)
_MISSING: Final = (
    "dataset_id = :id AND version >= :base AND removed_in IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM arriving_rows a WHERE a.key = dataset_rows.key)"
)
_COUNT_MISSING: Final = text(f"SELECT count(*) FROM dataset_rows WHERE {_MISSING}")  # noqa: S608
_REMOVE_MISSING: Final = text(f"UPDATE dataset_rows SET removed_in = :version WHERE {_MISSING}")  # noqa: S608
_CREATE_DIFFERING: Final = text(
    "CREATE TEMPORARY TABLE differing_rows (id BIGINT PRIMARY KEY, value TEXT NOT NULL,"
    " was_removed BOOLEAN NOT NULL)"
)
_COLLECT_DIFFERING: Final = text(
    "INSERT INTO differing_rows SELECT r.id, a.value, r.removed_in IS NOT NULL"
    " FROM arriving_rows a JOIN dataset_rows r ON r.dataset_id = :id AND r.key = a.key"
    " WHERE r.removed_in IS NOT NULL OR CAST(r.value AS text) <> a.value"
)
_PAGE: Final = text(
    "SELECT d.id, CAST(r.value AS text), d.value FROM differing_rows d"  # noqa: S608
    " JOIN dataset_rows r ON r.id = d.id WHERE d.id > :after AND NOT d.was_removed"
    f" ORDER BY d.id LIMIT {_PAGE_ROWS}"
)
_DROP_EQUAL: Final = text("DELETE FROM differing_rows WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_COUNT_DIFFERING: Final = text("SELECT count(*) FROM differing_rows")
_COUNT_RETURNED: Final = text("SELECT count(*) FROM differing_rows WHERE was_removed")
_KEEP_FORMER: Final = text(
    "INSERT INTO dataset_row_versions (dataset_id, row_id, version, until_version, value)"
    " SELECT r.dataset_id, r.id, r.version, coalesce(r.removed_in, :version), r.value"
    " FROM differing_rows d JOIN dataset_rows r ON r.id = d.id"
)
_SET: Final = (
    "UPDATE dataset_rows SET value = {}, version = :version, removed_in = NULL"
    " FROM differing_rows d WHERE dataset_rows.id = d.id"
    " AND dataset_rows.id IN (SELECT id FROM differing_rows)"
)
"""Without the last condition SQLite looks at the rows of all datasets."""

_UPDATE: Final = text(_SET.format("d.value"))
_UPDATE_POSTGRESQL: Final = text(_SET.format("CAST(d.value AS json)"))
_ADD: Final = (
    "INSERT INTO dataset_rows (dataset_id, version, row, value, key)"
    " SELECT :id, :version, :last + row_number() OVER (ORDER BY a.row), {}, a.key"
    " FROM arriving_rows a WHERE NOT EXISTS"
    " (SELECT 1 FROM dataset_rows r WHERE r.dataset_id = :id AND r.key = a.key) ORDER BY a.row"
)
_INSERT: Final = text(_ADD.format("a.value"))
_INSERT_POSTGRESQL: Final = text(_ADD.format("CAST(a.value AS json)"))
_SET_KEYS: Final = text(
    "UPDATE dataset_rows SET key = a.key FROM arriving_rows a WHERE dataset_rows.id = a.row"
    " AND dataset_rows.id IN (SELECT row FROM arriving_rows)"
)
_ROWS_PAGE: Final = text(
    "SELECT id, CAST(value AS text) FROM dataset_rows"  # noqa: S608
    " WHERE dataset_id = :id AND version >= :base AND id > :after"
    f" ORDER BY id LIMIT {_PAGE_ROWS}"
)
_DROP_DIFFERING: Final = text("DROP TABLE differing_rows")
_DROP: Final = text("DROP TABLE arriving_rows")
