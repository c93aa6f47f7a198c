"""Signatures for URLs of files in a folder, which the HTTP API serves without a key.

The secret is a file in the folder. So the programs that share the folder share the secret, and it
opens nothing to those who can read the folder anyway.
"""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from tasks_lib.errors import StorageRefusedError

_FILE: Final = ".link-secret"
_SECRET_BYTES: Final = 32


def sign(folder: Path, *parts: str) -> str:
    """Return the signature of a URL's parts; create the secret if the folder has none.

    Raises StorageRefusedError.
    """
    path = folder / _FILE
    try:
        secret = _read(path) or _create(path)
    except OSError as error:
        raise StorageRefusedError(
            f"the secret for signed URLs {path} cannot be used: {error.strerror}"
        ) from error
    return hmac.digest(secret, "\n".join(parts).encode("utf-8", "replace"), "sha256").hex()


def is_signed(folder: Path, signature: str, *parts: str) -> bool:
    """Tell whether this is the signature of a URL's parts; raise StorageRefusedError."""
    given = signature.encode("utf-8", "replace")
    return hmac.compare_digest(sign(folder, *parts).encode(), given)


def _read(path: Path) -> bytes | None:
    """Return the secret, None if there is none."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _create(path: Path) -> bytes:
    """Create the secret, unless another process has just done so; it appears as a whole."""
    draft = path.with_name(f"{_FILE}.{secrets.token_hex(8)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()
