"""Tell a database server's refusals, which last until somebody changes something, from outages."""

import re
from typing import Final

_REFUSALS: Final = ("28", "3D000", "42501", "25006", "42P07")
"""The SQLSTATEs of refusals: a user or password, a database that does not exist, a missing
privilege, a database that can only be read, and tables of another program.
"""

_REFUSED: Final = re.compile(
    r"""FATAL:\ +(
        .*\ authentication\ failed\ for\ user\ .*
        | (role|database)\ ".*"\ does\ not\ exist
        | no\ pg_hba\.conf\ entry\ for\ .*
        | pg_hba\.conf\ rejects\ connection\ for\ .*
        | role\ ".*"\ is\ not\ permitted\ to\ log\ in
    )$
    | no\ password\ supplied$""",
    re.VERBOSE,
)
"""PostgreSQL's sentences for these: its client does not keep the SQLSTATE of a failed connection.

A server in another language is not understood; its refusals pass for outages.
"""


def is_refusal(error: object) -> bool:
    """Tell whether an error of a driver says that the server answered and refused."""
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate).startswith(_REFUSALS)
    return _REFUSED.search(str(error).strip().partition("\n")[0]) is not None
