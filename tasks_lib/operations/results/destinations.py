"""The destinations of exports: a folder, or a table of a database."""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from tasks_lib.domain.results import TableName
from tasks_lib.errors import UsageError
from tasks_lib.operations.workspace import SECRET
from tasks_lib.transport.databases import check_url, parse_url

_DATABASE: Final = re.compile(
    r"(sqlite|postgres|postgresql|mysql|mariadb|oracle|mssql)(\+\w+)?://|\w[\w+.-]*://.*[?&]table="
)
_PASSWORD: Final = re.compile(r"(?<=://)[^/@]*@")
_EXPECTED: Final = "add ?table=NAME, or ?table=SCHEMA.NAME, to the URL of a database"


def hide_password(destination: str) -> str:
    """Return a destination without the user and the password of its URL."""
    return _PASSWORD.sub("", destination)


class TablePlace(NamedTuple):
    """A table: its database's URL without a password, or ``secret:BLOCK``; and its name."""

    connection: str
    table: TableName

    def __str__(self) -> str:
        if self.connection.startswith(SECRET):
            return f"{self.connection}?table={self.table}"
        url = parse_url(self.connection).update_query_dict({"table": str(self.table)})
        return url.render_as_string(hide_password=True)


def find_table(destination: str) -> TablePlace | None:
    """Return the table that a destination names, None for a folder; raise UsageError.

    A table's destination is the URL of its database, or ``secret:BLOCK``, and ``?table=NAME``.
    """
    if destination.startswith(SECRET):
        connection, _, options = destination.partition("?")
        return TablePlace(connection, _table_of(parse_qs(options).get("table", [])))
    if _DATABASE.match(destination) is None:
        if "?table=" in destination:
            raise UsageError(
                f"{destination} is a path, and a table is named with the URL of its database, such "
                "as sqlite:///warehouse.db?table=labels"
            )
        return None
    url = parse_url(destination)
    names = url.query.get("table", ())
    table = _table_of([names] if isinstance(names, str) else list(names))
    address = url.difference_update_query(["table"]).render_as_string(hide_password=False)
    return TablePlace(check_url(address), table)


def _table_of(names: list[str]) -> TableName:
    if len(names) != 1 or not all(names[0].split(".")):
        raise UsageError(f"the destination names no table; {_EXPECTED}")
    schema, _, name = names[0].rpartition(".")
    return TableName(name, schema or None)
