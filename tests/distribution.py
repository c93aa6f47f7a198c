"""Which tests run in the same process, and which start first, when ``make test`` runs several.

pytest-xdist 3.8 has markers for groups, but they have no effect with pytest 9.2.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    **dict.fromkeys(
        (
            "tests/deployments/test_automations_in_browser.py",
            "tests/deployments/test_chained_deployments.py",
            "tests/deployments/test_end_to_end.py",
            "tests/deployments/test_infinite_deployment.py",
            "tests/deployments/test_review_by_program.py",
            "tests/deployments/test_run_forms_in_browser.py",
            "tests/deployments/test_waiting_flows.py",
        ),
        "stack",
    ),
    "tests/deployments/": "stacks of their own",
    **dict.fromkeys(
        (
            "tests/flows/test_choices.py",
            "tests/flows/test_deploy.py",
            "tests/flows/test_package.py",
            "tests/flows/test_review",
            "tests/flows/test_waiting",
        ),
        "another server",
    ),
    "tests/flows/": "server",
    "tests/test_site.py": "site",
}
"""Modules that share an expensive fixture, so that only one process has to set it up.

Whole stacks take turns in two processes, so that two of them at most share the machine.
"""

FIRST = (
    *GROUPS,
    "tests/integration/test_killed",
    "tests/integration/test_unused_files.py",
)
"""Modules with tests that take long: at the end, all processes would wait for the last of them."""


def schedule(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that gives a process a group, a module of unit tests, or a test."""
    config.option.loadscopereorder = False  # it would start modules with many tests first
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = _scope_of
    return scheduling


def _scope_of(nodeid: str) -> str:
    module = nodeid.partition("::")[0]
    others = module if module.startswith("tests/unit/") else nodeid
    return next((name for path, name in GROUPS.items() if module.startswith(path)), others)


def rank(item: pytest.Item) -> int:
    """Return the place of a test in the order of their starts; most have the last one."""
    places = (place for place, path in enumerate(FIRST) if item.nodeid.startswith(path))
    return next(places, len(FIRST))
