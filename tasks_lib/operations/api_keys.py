"""API keys: create, list and revoke them, and authenticate the caller that sends one."""

import hashlib
import secrets
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from tasks_lib.domain.audit import Action
from tasks_lib.domain.fields import check_requested_name
from tasks_lib.errors import KeyRefusedError, NotFoundError, UsageError
from tasks_lib.store import api_keys, audit, catalogue
from tasks_lib.store.engine import Store

KEY_START: Final = "pk_live_"
_RANDOM_BYTES: Final = 20
_PREFIX_LENGTH: Final = len(KEY_START) + 8
_KEY_LENGTH: Final = len(KEY_START) + 2 * _RANDOM_BYTES


class Key(NamedTuple):
    """An API key without its secret part; ``prefix`` is its beginning."""

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
    """A caller: its API key, and the organization that the key opens."""

    key_id: int
    organization_id: int
    name: str
    prefix: str


def create_key(
    store: Store, organization: str, *, name: str, lifetime: timedelta | None, at: datetime
) -> tuple[str, Key]:
    """Create a key that opens the organization; return it with its entry. It cannot be read again.

    Raises NotFoundError, and UsageError for an invisible name.
    """
    check_requested_name(name, "key")
    key = KEY_START + secrets.token_hex(_RANDOM_BYTES)
    prefix, expires_at = key[:_PREFIX_LENGTH], at + lifetime if lifetime is not None else None
    with store.write() as session:
        organization_id = catalogue.find_organization(session, organization)
        key_id = api_keys.insert_key(
            session,
            organization_id=organization_id,
            name=name,
            prefix=prefix,
            sha256=_sha256(key),
            created_at=at,
            expires_at=expires_at,
        )
        action, subject = Action.API_KEY_CREATED, _subject(name, prefix)
        audit.record(session, organization_id, action, subject, by=store.actor, at=at)
    return key, Key(key_id, organization, name, prefix, at, expires_at, None, None)


def list_keys(store: Store, organization: str) -> list[Key]:
    """Return the organization's keys, oldest first; raise NotFoundError."""
    with store.read() as session:
        organization_id = catalogue.find_organization(session, organization)
        return [Key._make(key) for key in api_keys.list_keys(session, organization_id)]


def revoke_key(store: Store, reference: str, *, at: datetime) -> Key:
    """Revoke the key with this id or this beginning; it opens nothing from then on.

    Raises NotFoundError, and UsageError if several keys begin like that.
    """
    key_id = int(reference[:20]) if reference.isdecimal() else None
    with store.write() as session:
        keys = api_keys.find_keys(session, key_id, reference[:_PREFIX_LENGTH])
        if not keys:
            raise NotFoundError(f"there is no key {reference[:_PREFIX_LENGTH]!r}")
        if len(keys) > 1:
            numbers = ", ".join(str(key.id) for key in keys)
            raise UsageError(f"several keys begin with {reference!r}; name one of {numbers}")
        key = Key._make(api_keys.revoke_key(session, keys[0].id, at=at))
        if keys[0].revoked_at is None:
            organization_id = catalogue.find_organization(session, key.organization)
            action, subject = Action.API_KEY_REVOKED, _subject(key.name, key.prefix)
            audit.record(session, organization_id, action, subject, by=store.actor, at=at)
        return key


def _subject(name: str, prefix: str) -> str:
    return f"{name} ({prefix}…)"


def authenticate(
    store: Store, key: str, pipeline_id: int | None, *, at: datetime
) -> tuple[Caller, int | None]:
    """Return the caller that a key belongs to, and the pipeline's id if its organization has it.

    Raises KeyRefusedError.
    """
    access = None
    if len(key) == _KEY_LENGTH:
        with store.query() as session:
            access = api_keys.find_access(session, _sha256(key), pipeline_id or 0)
    if access is None:
        raise KeyRefusedError("the key is not known", code="invalid_api_key")
    if access.revoked_at is not None:
        raise KeyRefusedError("the key was revoked", code="revoked_api_key")
    if access.expires_at is not None and access.expires_at <= at:
        message = f"the key expired on {access.expires_at:%Y-%m-%d at %H:%M:%S} UTC"
        raise KeyRefusedError(message, code="expired_api_key")
    caller = Caller(access.key_id, access.organization_id, access.name, access.prefix)
    return caller, access.pipeline_id


class KeyUses:
    """The times at which keys were last used, in memory until they are written; thread-safe."""

    def __init__(self) -> None:
        self._uses: dict[int, datetime] = {}
        self._lock = Lock()

    def note(self, key_id: int, at: datetime) -> None:
        """Note the use of a key."""
        with self._lock:
            self._uses[key_id] = at

    def write(self, store: Store) -> None:
        """Write the noted times; if that fails, keep them and raise UnavailableError."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with store.write() as session:
                api_keys.record_uses(session, uses)
        except BaseException:
            with self._lock:
                self._uses = uses | self._uses
            raise


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()
