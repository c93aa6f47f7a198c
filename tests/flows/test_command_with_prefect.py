"""A ``seed`` command with a Prefect server: its output is its own, and the run has the log."""

import os
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from deployments.repository import ROOT
from flow_runs import logs_of

pytestmark = pytest.mark.usefixtures("flow_workspace")

PATH = "acme/reviews/label-reviews"


def seed(prefect_api: str, source: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tasks_lib", "seed", "csv", PATH, source],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_log_of_prefect_is_on_the_server_and_not_in_the_output(
    prefect: httpx.Client, prefect_api: str, csv_file: Callable[[str], str]
) -> None:
    good = csv_file("review_id,body,stars\n1,one,5\n")
    assert seed(prefect_api, good) == (
        0, f"'reviews.csv' created 1 task in group 1. Pipeline: {PATH}.\n", "",
    )  # fmt: skip
    status, _, err = seed(prefect_api, csv_file("review_id,body,stars\n2,two,six\n"))
    assert (status, err) == (
        1,
        "'reviews.csv' was rejected, nothing was created: 1 row rejected; row 1, stars: 'six' is "
        "not a whole number such as 42 or -7.\n",
    )
    run = prefect.post("/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}).json()[0]
    assert [line for line in logs_of(prefect, run) if "1 row rejected" in line[1]] != []


SLOW_SERVER = """
import logging
from prefect._internal.concurrency import services
from tasks_lib.steps import prefect_api

prefect_api.silence_console()
logging.getLogger("ours").warning("ours is printed")
logger = logging.getLogger("EventsWorker")
logger.handle(logger.makeRecord(
    logger.name, logging.WARNING, services.__file__, 231, "Still processing items", (), None
))
"""


def test_prefect_does_not_print_that_its_server_is_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW_SERVER], capture_output=True, text=True, check=True
    )
    assert "ours is printed" in done.stderr
    assert "Still processing" not in done.stderr + done.stdout
