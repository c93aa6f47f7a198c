"""Addresses of stores: wrong ones are refused in a sentence, and passwords are never shown."""

from collections.abc import Iterator

import pytest

from command_line import Seeding
from tasks_lib.errors import StoreUnavailableError, UsageError
from tasks_lib.store.engine import Store

NO_URL = "SEEDING_DATABASE_URL is not a database URL"
EXPECTED = "expected sqlite:///path or postgresql+psycopg://user@host/database"
NO_PORT = (
    f"{NO_URL}: its port is not a number; {EXPECTED}. Write special characters in a password "
    "percent-encoded, such as %2F for /"
)
BEGINS = "SEEDING_DATABASE_URL begins with"
PASSWORD = "S3CRET"  # noqa: S105 - it must not be shown


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    return Seeding(capsys)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", f"{NO_URL}; {EXPECTED}"),
        (
            f"postgresql+psycopg://u:{PASSWORD}@h:notaport/db",
            NO_PORT,
        ),
        ("mysql://host/db", f"{BEGINS} 'mysql'; {EXPECTED}"),
        ("postgres://host/db", f"{BEGINS} 'postgres'; {EXPECTED}"),
        ("sqlite+aiosqlite:///x", f"{BEGINS} 'sqlite+aiosqlite'; {EXPECTED}"),
        (
            "sqlite://folder/seeding.db",
            "SEEDING_DATABASE_URL names a host, and SQLite has none; write sqlite:///path, or "
            "sqlite:////path from the root",
        ),
        (
            "sqlite://",
            "SEEDING_DATABASE_URL must name a file: a store in memory ends with us",
        ),
        (
            "sqlite:///seeding.db?mode=ro&cache=shared",
            "SEEDING_DATABASE_URL has the options 'cache', 'mode', and the store takes none on "
            "SQLite; remove what follows the ?",
        ),
        (
            f"postgresql+psycopg://u@h/db?prepare_threshold=0&password={PASSWORD}",
            "SEEDING_DATABASE_URL has the option 'prepare_threshold', which PostgreSQL's client "
            "does not know; see the list of libpq's parameter keywords",
        ),
        (
            "postgresql+psycopg://u@h/db?sslmod=require",
            "SEEDING_DATABASE_URL has the option 'sslmod', which PostgreSQL's client does not "
            "know; see the list of libpq's parameter keywords",
        ),
        ("postgresql+psycopg://u@h/d\udcffb", f"{NO_URL}; {EXPECTED}"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_one_sentence(url: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store.open(url)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://someone:{PASSWORD}@127.0.0.1:1/store",
        f"postgresql+psycopg://someone@127.0.0.1:1/store?password={PASSWORD}",
        f"postgresql+psycopg://someone@127.0.0.1:1/store?sslpassword={PASSWORD}&passfile={PASSWORD}",
    ],
    ids=["before the host", "an option", "other options"],
)
def test_no_password_is_shown(url: str, seeding: Seeding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", url)
    status, out, err = seeding("tasks", "list", "1", "--json")
    hidden = "someone:***" if f"someone:{PASSWORD}" in url else "someone"
    assert status == 3
    assert f"the store postgresql+psycopg://{hidden}@127.0.0.1:1/store cannot be used: " in err
    assert PASSWORD not in out + err
    with pytest.raises(StoreUnavailableError) as caught:
        Store.open(url)
    assert PASSWORD not in "".join(map(str, _chain_of(caught.value)))


def _chain_of(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def test_options_that_the_client_knows_are_passed_on(postgresql_url: str) -> None:
    store = Store.open(f"{postgresql_url}&application_name=seeding&connect_timeout=10")
    with store.read() as session:
        name = session.connection().exec_driver_sql("SHOW application_name").scalar_one()
    assert name == "seeding"
    store.close()
