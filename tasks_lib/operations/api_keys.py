"""Keys of the External API: make, list and revoke them, and tell what a request may open."""

import hashlib
import secrets
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import check_name
from tasks_lib.errors import KeyRefusedError, NotFoundError, UsageError
from tasks_lib.store import api_keys, datasets
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import MAX_ID, ApiKeyRow

KEY_START: Final = "pk_live_"
_RANDOM_BYTES: Final = 20
_PREFIX_LENGTH: Final = len(KEY_START) + 8
_KEY_LENGTH: Final = len(KEY_START) + 2 * _RANDOM_BYTES


class Key(NamedTuple):
    """A key as it may be shown: ``prefix`` is its beginning."""

    id: int
    organization: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, at: datetime) -> str:
        """Return ``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "active"


class Caller(NamedTuple):
    """Who calls: the key, and the organization that it opens."""

    key_id: int
    organization_id: int
    prefix: str


def create_key(
    store: Store, organization: str, *, name: str, lifetime: timedelta | None, at: datetime
) -> tuple[str, Key]:
    """Make a key that opens the organization; return it, which nobody can do again, and its entry.

    Raises NotFoundError, and UsageError for a name that cannot be seen.
    """
    try:
        check_name(name, "key")
    except ValueError as error:
        raise UsageError(str(error)) from None
    key = KEY_START + secrets.token_hex(_RANDOM_BYTES)
    prefix, expires_at = key[:_PREFIX_LENGTH], at + lifetime if lifetime is not None else None
    with store.write() as session:
        key_id = api_keys.insert_key(
            session,
            organization_id=datasets.find_organization(session, organization),
            name=name,
            prefix=prefix,
            sha256=_sha256(key),
            created_at=at,
            expires_at=expires_at,
        )
    return key, Key(key_id, organization, name, prefix, at, expires_at, None, None)


def list_keys(store: Store, organization: str) -> list[Key]:
    """Return the organization's keys, oldest first; raise NotFoundError."""
    with store.read() as session:
        organization_id = datasets.find_organization(session, organization)
        return [_key(*row) for row in api_keys.list_keys(session, organization_id)]


def revoke_key(store: Store, reference: str, *, at: datetime) -> Key:
    """Revoke the key of a number, or that begins like ``reference``; it opens nothing from then on.

    Raises NotFoundError, and UsageError where several begin so.
    """
    number = min(int(reference[:20]), MAX_ID) if reference.isdecimal() else None
    with store.write() as session:
        found = api_keys.keys_named(session, number, reference[:_PREFIX_LENGTH])
        if not found:
            raise NotFoundError(f"there is no key {reference[:_PREFIX_LENGTH]!r}")
        if len(found) > 1:
            numbers = ", ".join(str(row.id) for row, _ in found)
            raise UsageError(f"several keys begin with {reference!r}; name one of {numbers}")
        row, organization = found[0]
        api_keys.revoke_key(session, row.id, at=at)
        session.refresh(row)
        return _key(row, organization)


def authenticate(
    store: Store, key: str | None, pipeline_id: int | None, *, at: datetime
) -> tuple[Caller, int | None]:
    """Return who calls with a key, and the pipeline's id if the caller's organization has it.

    Raises KeyRefusedError.
    """
    if key is None:
        raise no_key()
    found = None
    if len(key) == _KEY_LENGTH:
        with store.query() as session:
            found = api_keys.find_access(session, _sha256(key), pipeline_id or 0)
    if found is None:
        raise KeyRefusedError("the key is not known", code="invalid_api_key")
    if found.revoked_at is not None:
        raise KeyRefusedError("the key was revoked", code="revoked_api_key")
    if found.expires_at is not None and found.expires_at <= at:
        message = f"the key expired on {found.expires_at:%Y-%m-%d at %H:%M:%S} UTC"
        raise KeyRefusedError(message, code="expired_api_key")
    return Caller(found.key_id, found.organization_id, found.prefix), found.pipeline_id


def no_key() -> KeyRefusedError:
    """Return the error of a request that brings no key."""
    message = "a key is needed: send it as Authorization: Bearer <key>, or as X-API-Key"
    return KeyRefusedError(message, code="missing_api_key")


class KeyUses:
    """When keys were last used, kept in memory until somebody has it written; for many threads."""

    def __init__(self) -> None:
        self._uses: dict[int, datetime] = {}
        self._lock = Lock()

    def note(self, key_id: int, at: datetime) -> None:
        """Note that a key is in use."""
        with self._lock:
            self._uses[key_id] = at

    def write(self, store: Store) -> None:
        """Write down what was noted; what cannot be written is kept. Raises UnavailableError."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with store.write() as session:
                api_keys.note_uses(session, uses)
        except BaseException:
            with self._lock:
                self._uses = uses | self._uses
            raise


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()


def _key(row: ApiKeyRow, organization: str) -> Key:
    values: dict[str, Any] = {
        name: getattr(row, name) for name in Key._fields if name != "organization"
    }
    return Key(organization=organization, **values)
