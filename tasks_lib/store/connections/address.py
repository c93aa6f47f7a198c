"""The address of a store: parse it, refuse one that cannot work, and show it without secrets."""

from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tasks_lib.errors import UsageError

STORE: Final = "SEEDING_DATABASE_URL"
DIRECT: Final = "SEEDING_DATABASE_DIRECT_URL"
"""The settings that hold an address; errors name them and never quote them: they hold passwords."""

POSTGRESQL: Final = "postgresql+psycopg"
_SQLITE: Final = frozenset({"sqlite", "sqlite+pysqlite"})
_EXPECTED: Final = f"expected sqlite:///path or {POSTGRESQL}://user@host/database"


def parse_address(text: str) -> URL:
    """Return the address of a store; raise UsageError if it can be none."""
    url = _parse(text, STORE)
    if url.drivername in _SQLITE:
        _check_sqlite(url)
    elif url.drivername == POSTGRESQL:
        _check_postgresql(url, STORE)
    else:
        raise UsageError(f"{STORE} begins with {url.drivername!r}; {_EXPECTED}")
    return url


def parse_direct_address(text: str) -> URL:
    """Return the address of PostgreSQL itself; raise UsageError if it can be none."""
    url = _parse(text, DIRECT)
    if url.drivername != POSTGRESQL:
        raise UsageError(
            f"{DIRECT} begins with {url.drivername!r}; expected {POSTGRESQL}://user@host/database"
        )
    _check_postgresql(url, DIRECT)
    return url


def show_address(url: URL) -> str:
    """Return the address without passwords, also those among its options."""
    secrets = [name for name in url.query if "pass" in name.lower()]
    return url.difference_update_query(secrets).render_as_string(hide_password=True)


def _parse(text: str, setting: str) -> URL:
    try:
        text.encode()
        return make_url(text)
    except (ArgumentError, UnicodeEncodeError):
        raise UsageError(f"{setting} is not a database URL; {_EXPECTED}") from None
    except ValueError:
        raise UsageError(
            f"{setting} is not a database URL: its port is not a number; {_EXPECTED}. "
            "Write special characters in a password percent-encoded, such as %2F for /"
        ) from None


def _check_sqlite(url: URL) -> None:
    if url.host or url.username or url.port:
        raise UsageError(
            f"{STORE} names a host, and SQLite has none; "
            "write sqlite:///path, or sqlite:////path from the root"
        )
    if url.database in (None, "", ":memory:"):
        raise UsageError(f"{STORE} must name a file: a store in memory ends with us")
    if url.query:
        raise UsageError(
            f"{STORE} has the options {', '.join(map(repr, sorted(url.query)))}, "
            "and the store takes none on SQLite; remove what follows the ?"
        )


def _check_postgresql(url: URL, setting: str) -> None:
    """Raise UsageError for an option that libpq does not know, without its value."""
    import psycopg.conninfo  # noqa: PLC0415 - SQLite does not need it

    for name in url.query:
        try:
            psycopg.conninfo.make_conninfo(**{name: ""})
        except psycopg.ProgrammingError:
            raise UsageError(
                f"{setting} has the option {name!r}, which PostgreSQL's client does not know; "
                "see the list of libpq's parameter keywords"
            ) from None
