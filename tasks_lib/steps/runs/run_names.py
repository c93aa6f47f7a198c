"""Name flow runs after their work, unless a person has named them."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from coolname.data import config
from prefect import runtime

_GREEK: Final = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma "
    "tau upsilon phi chi psi omega"
)
_ADJECTIVES: Final = (
    "Awesome Rustic Small Gorgeous Fantastic Sleek Intelligent Unbranded Refined Licensed Generic "
    "Practical Ergonomic Handcrafted Tasty Handmade Incredible"
)
_OF_THE_FORM: Final = re.compile(
    rf"({'|'.join(_GREEK.split())})\d+-[a-z]+(-[a-z]+)*"
    rf"|({'|'.join(_ADJECTIVES.split())})-[A-Z][a-z]{{1,5}}"
)
"""The names that Prefect's two UIs write into their forms: ``alpha4-canis-majoris-void``,
``Rustic-Deer``. Those of the first UI without a number are kept: they might be a person's.
"""


STANDBY: Final = ", on standby"
"""The end of the name of a run that waits to take over from another one."""


def keep_own_name(describe: Callable[[], str]) -> Callable[[], str]:
    """Return a function for ``flow_run_name`` that replaces only names that Prefect made up."""

    def name_run() -> str:
        name = runtime.flow_run.name
        return describe() if name is None or is_made_up(name) else name

    return name_run


def is_made_up(name: str) -> bool:
    """Return True if Prefect or its UI could have made up the name of a run, or ``standby`` has."""
    adjective, _, noun = name.partition("-")
    is_of_the_server = adjective in _words("adj_any") and noun in _words("subj")
    is_of_a_form = _OF_THE_FORM.fullmatch(name) is not None
    return is_of_the_server or is_of_a_form or name.endswith(STANDBY)


@cache
def _words(name: str) -> frozenset[str]:
    """Return the words of a list of coolname, from which Prefect's server takes its names."""
    part: Any = config[name]
    if part["type"] == "words":
        return frozenset(part["words"])
    return frozenset().union(*map(_words, part["lists"]))
