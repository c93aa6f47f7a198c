"""Reach other SQL databases, those that datasets are read from and that results are written to."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tasks_lib.errors import UsageError

_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def check_url(text: str) -> str:
    """Return a URL to store, a file's path made absolute; raise UsageError if it holds a password.

    The error quotes no part of the URL, which may be a password in the wrong place.
    """
    url = parse_url(text)
    if url.password is not None or any("pass" in name.lower() for name in url.query):
        raise UsageError(
            "the URL holds a password, which would be kept in the store; put the whole URL into a "
            "Prefect Secret block and give secret:BLOCK, or leave the password to PGPASSWORD"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string(hide_password=True)


def parse_url(text: str) -> URL:
    """Return the URL of a database; raise UsageError, which quotes no part of it."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(
            "the connection is not a database URL; expected sqlite:///path, "
            "postgresql://user@host/database, or secret:BLOCK"
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def display_name(url: URL) -> str:
    """Return how messages name a database; only the path of a file is sure to hold no secret."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite database {url.database}"
    return f"{url.get_backend_name()} database"


def sqlite_path(url: URL) -> Path:
    """Return the path of a SQLite database; raise UsageError if the URL names none."""
    if not url.database or url.database == ":memory:":
        raise UsageError("the connection must name a SQLite file: sqlite:///path")
    return Path(url.database).absolute()


def server_engine(url: URL, **options: Any) -> Engine:
    """Return an engine for a database server; raise UsageError if its driver is not installed."""
    try:
        return create_engine(url, poolclass=NullPool, **options)
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"no driver for {url.drivername!r} is installed: {reason}") from None


def first_line(error: Exception) -> str:
    """Return the first line of a driver's message; the others can quote values."""
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
