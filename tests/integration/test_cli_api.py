"""The commands of the External API: its keys, and its address."""

import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from command_line import Seeding


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], catalogue_file: Path) -> Seeding:
    """The command line, with the catalogue of these tests applied."""
    seeding = Seeding(capsys)
    assert seeding("apply", str(catalogue_file))[0] == 0
    return seeding


def test_a_key_is_printed_once_and_alone(seeding: Seeding) -> None:
    status, out, err = seeding("key", "create", "acme")
    key = out.strip()
    assert (status, len(key), key[:8]) == (0, 48, "pk_live_")
    assert set(key[8:]) <= set("0123456789abcdef")
    assert err == "Keep it: it is stored as a hash and not shown again.\n"
    assert key not in seeding("key", "list", "acme", "--json")[1]


def test_a_key_has_a_name_and_an_expiry(seeding: Seeding) -> None:
    _, new_key = seeding.json("key", "create", "acme", "--name", "etl", "--expires", "90d")
    created_at = datetime.fromisoformat(new_key["created_at"])
    assert datetime.fromisoformat(new_key["expires_at"]) == created_at + timedelta(days=90)
    shown = {name: value for name, value in new_key.items() if name != "key"}
    assert seeding.json("key", "list", "acme") == (0, [shown])
    assert (shown["name"], shown["prefix"], shown["state"]) == (
        "etl",
        new_key["key"][:16],
        "active",
    )


def test_keys_are_listed_for_people(seeding: Seeding) -> None:
    assert seeding("key", "list", "acme") == (0, "This organization has no keys yet.\n", "")
    _, new_key = seeding.json("key", "create", "acme", "--name", "etl")
    lines = seeding("key", "list", "acme")[1].splitlines()
    assert [line.split() for line in lines] == [
        ["key", "begins", "with", "name", "state", "expires", "last", "used"],
        ["1", new_key["prefix"], "etl", "active", "never", "never"],
    ]


@pytest.mark.parametrize("by", ["number", "prefix", "key"])
def test_a_key_is_revoked_by_its_number_or_its_prefix(seeding: Seeding, by: str) -> None:
    _, new_key = seeding.json("key", "create", "acme", "--name", "etl")
    reference = {"number": "1", "prefix": new_key["prefix"], "key": new_key["key"]}[by]
    message = f"revoked  {new_key['prefix']}… (1, etl, acme)\n"
    assert seeding("key", "revoke", reference) == (0, message, "")
    _, (entry,) = seeding.json("key", "list", "acme")
    assert entry["state"] == "revoked"
    assert seeding.json("key", "revoke", reference) == (0, entry)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "acne"), "there is no organization 'acne'; did you mean 'acme'?"),
        (("create", "acme", "--name", " x"), "key name ' x' must have 1 to 200 characters"),
        (("create", "acme", "--expires", "soon"), "--expires 'soon' is not a duration such as"),
        (("list", "acne"), "there is no organization 'acne'; did you mean 'acme'?"),
        (("revoke", "7"), "there is no key '7'"),
        (("revoke", "9" * 40), "there is no key '9999999999999999'"),
        (("revoke", "pk_live_"), "there is no key 'pk_live_'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_request_gets_one_sentence(
    seeding: Seeding, arguments: tuple[str, ...], sentence: str
) -> None:
    status, out, err = seeding("key", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {sentence}")


def test_a_port_in_use_is_a_usage_error(seeding: Seeding) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, _, err = seeding("api", "--port", str(port))
    assert status == 2
    assert err.startswith(f"error: port {port} of 127.0.0.1 cannot be listened on:")
