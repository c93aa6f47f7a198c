"""A flow that waits for a person to review its mapping."""

import threading
import time
from typing import Any

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.seed_from_dataset import seed_from_dataset

PATH = "acme/reviews/label-reviews"
PATIENCE_SECONDS = 180
"""How long the flow may take to show its form, or to end, on a busy machine."""


class ReviewedFlow(threading.Thread):
    """The flow in its own thread, because it waits for an answer."""

    def __init__(self, api: str, dataset: str, **options: Any) -> None:
        super().__init__(daemon=True)  # a failed test must not wait for an answer
        self.api, self.dataset, self.options = api, dataset, options
        self.state: Any = None

    def run(self) -> None:
        with temporary_settings({PREFECT_API_URL: self.api}):
            self.state = seed_from_dataset(
                PATH, self.dataset, review=True, **self.options, return_state=True
            )


def paused_run(prefect: httpx.Client, dataset: str, *, unlike: str = "") -> Any:
    """Wait until the run shows a form other than ``unlike``, and return the run."""
    name = f"dataset {dataset} -> {PATH}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        chosen = {"flow_runs": {"name": {"any_": [name]}}}
        runs = prefect.post("/flow_runs/filter", json=chosen).json()
        for run in runs:
            keyset = run["state"]["state_details"].get("run_input_keyset")
            if run["state_type"] == "PAUSED" and keyset and keyset["schema"] != unlike:
                answer = prefect.get(f"/flow_runs/{run['id']}/input/{keyset['description']}")
                if answer.is_success:
                    return run | {"description": answer.json()}
        assert time.monotonic() < deadline, runs
        time.sleep(0.2)
