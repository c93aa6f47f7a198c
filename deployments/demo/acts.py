"""The acts of the demo, in the order of ``ACTS``: ways of creating tasks, then the answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Final

import fsspec
import orjson

from deployments.demo.answers import export_answers
from deployments.demo.stage import DemoFailedError, Stage, line, print_tasks
from deployments.repository import ROOT
from tasks_lib.cli.output.console import print_task
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.manage import ChainRequest, create_chain
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.infinite.sensor import is_sensor_running
from tasks_lib.operations.tasks.read import link_files, list_tasks
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.prefect_api import start_deployment

REVIEWS: Final = "acme/reviews/label-reviews"
NIGHTLY: Final = "acme/reviews/nightly-reviews"
PHOTOS: Final = "acme/photos/describe-photos"
LABELS: Final = "acme/qa/check-labels"
DESCRIPTIONS: Final = "acme/qa/check-descriptions"
IDEAS: Final = "acme/ideas/collect-ideas"
PREDICTIONS: Final = "acme/predictions/check-sentiments"
STORIES: Final = "acme/ideas/tell-stories"
ANN: Final = "ann@example.org"


def seed_csv(stage: Stage) -> None:
    """Seed a file, look at the tasks, and seed it again."""
    source = {"pipeline": REVIEWS, "source": str(ROOT / "examples" / "reviews.csv")}
    first = stage.seed("seed-from-csv", source)
    line("Its tasks, ready for contributors; every value is exactly as in the file:")
    print_tasks(list_tasks(stage.workspace.store, REVIEWS, limit=10))
    line("The same file again: no task is created twice.")
    again = stage.seed("seed-from-csv", source)
    if not first.created or again.created or again.already_seeded != first.created:
        raise DemoFailedError(f"a file was seeded twice: {first.created}, then {again.created}")


def seed_zip(stage: Stage) -> None:
    """Seed a ZIP, and open a file of a task by the link that ``seeding tasks show`` gives."""
    stage.seed(
        "seed-from-zip", {"pipeline": PHOTOS, "source": str(ROOT / "examples" / "photos.zip")}
    )
    task = list_tasks(stage.workspace.store, PHOTOS)[-1]
    links = link_files(stage.workspace, task)
    print_task(task, links)
    photo = orjson.loads(task.fields)["photo"]
    with fsspec.open(links["photo"]) as file:
        checksum = sha256(file.read()).hexdigest()
    if checksum != photo["sha256"]:
        raise DemoFailedError(f"{links['photo']} is not the file that was stored")
    line(f"opened: {photo['size']:,} bytes of {photo['content_type']}, as they were in the ZIP")


def seed_dataset(stage: Stage) -> None:
    """Import a nested file into the Data Vault, and seed it by a mapping."""
    source = str(ROOT / "examples" / "reviews.jsonl")
    report = import_dataset(
        stage.workspace, ImportRequest(organization="acme", name="web-reviews", source=source)
    )
    line(report.sentence)
    mapping = {"review_id": "id", "body": "review:$.text", "stars": "rating"}
    line(f"The mapping: {', '.join(f'{field} <- {column}' for field, column in mapping.items())}")
    stage.seed(
        "seed-from-dataset", {"pipeline": REVIEWS, "dataset": "web-reviews", "mapping": mapping}
    )


def post_tasks(stage: Stage) -> None:
    """Create tasks over HTTP, as another program would."""
    fields = {"review_id": "api-1", "body": "Came over HTTP.", "stars": 4}
    answer = stage.post(f"{_workflow(stage, REVIEWS)}/tasks", {"tasks": [{"fields": fields}]})
    line(f"201: {answer}")


def seed_pipeline(stage: Stage) -> None:
    """Finish a task of one pipeline, and seed another one from it."""
    _finish(stage, PHOTOS, {"description": "A harbour at dawn."})
    stage.seed("seed-from-pipeline", {"pipeline": DESCRIPTIONS, "source_pipeline": PHOTOS})
    line("The task has the description that was filled in:")
    print_tasks(list_tasks(stage.workspace.store, DESCRIPTIONS))


def chain(stage: Stage) -> None:
    """Chain two pipelines, finish tasks, and wait for those that the chain creates.

    The first one waits for the run that the automation starts; the run stays for the next ones.
    """
    store = stage.workspace.store
    request = ChainRequest(target=LABELS, source=REVIEWS, trigger=Trigger.TASK_COMPLETION)
    created = create_chain(stage.workspace, request, at=datetime.now(UTC))
    ensure_automation(store, created)
    line(f"Prefect has the automation: {created.name}")
    line(f"{stage.stack.ui_url}/automations")
    task_id = _finish(stage, REVIEWS, {"sentiment": "good"})
    seconds = stage.wait(lambda: bool(list_tasks(store, LABELS)), f"task {task_id} was not chained")
    line(f"{seconds:4.1f} s after task {task_id} was finished, the chain created:")
    print_task(list_tasks(store, LABELS)[0], {})
    line("The run that did it stays for a minute, so the next tasks follow at once:")
    for count in (2, 3):
        task_id = _finish(stage, REVIEWS, {"sentiment": "good"})
        seconds = stage.wait(
            partial(_has_tasks, stage, LABELS, count), f"task {task_id} was not chained"
        )
        line(f"{seconds:4.1f} s after task {task_id} was finished, the chain created its task.")


def _has_tasks(stage: Stage, pipeline: str, count: int) -> bool:
    return len(list_tasks(stage.workspace.store, pipeline)) >= count


def _workflow(stage: Stage, pipeline: str) -> str:
    return f"/workflows/{find_pipeline(stage.workspace.store, pipeline).id}"


def _finish(stage: Stage, pipeline: str, fields: dict[str, str]) -> int:
    """Claim and submit a task over the HTTP API, as a contributor's program does."""
    tasks = f"{_workflow(stage, pipeline)}/tasks"
    task_id = int(stage.post(f"{tasks}/claim", {"contributor": ANN})["id"])
    submitted = {"contributor": ANN, "fields": fields}
    answer = stage.post(f"{tasks}/{task_id}/submit", submitted)
    line(f"200: task {task_id} is {answer['status']}")
    return task_id


def bulk_create(stage: Stage) -> None:
    """Create blank tasks."""
    stage.seed("bulk-create", {"pipeline": IDEAS, "count": 250})


def infinite_seeding(stage: Stage) -> None:
    """Keep tasks available, start the sensor, claim a task, and wait for the next one."""
    store = stage.workspace.store
    workflow = _workflow(stage, STORIES)
    stage.post(f"{workflow}/infinite", {"target": 100, "keep_available": 1})
    start_deployment("infinite-seeding", {}, idempotency_key="demo")
    stage.wait(lambda: is_sensor_running(store, at=datetime.now(UTC)), "the sensor did not start")
    line("The sensor watches. A contributor claims the only task:")
    task_id = int(stage.post(f"{workflow}/tasks/claim", {"contributor": ANN})["id"])
    seconds = stage.wait(lambda: len(list_tasks(store, STORIES)) > 1, "no task was created")
    line(f"{seconds:4.2f} s after task {task_id} was claimed, the next one was created.")


def second_night(stage: Stage) -> None:
    """Seed a file, and the next night a file that repeats its rows, into a pipeline with a key."""
    examples = ROOT / "examples"
    apply_catalogue(stage.workspace.store, examples / "nightly.yaml")
    stage.seed("seed-from-csv", {"pipeline": NIGHTLY, "source": str(examples / "monday.csv")})
    line("The next night's file: three rows are known by their key, one of them was changed.")
    second = stage.seed(
        "seed-from-csv", {"pipeline": NIGHTLY, "source": str(examples / "tuesday.csv")}
    )
    if (second.created, second.already_seeded, second.changed) != (1, 2, 1):
        raise DemoFailedError(f"the second night created {second.created} tasks")
    print_tasks(list_tasks(stage.workspace.store, NIGHTLY, limit=10))


def wait_for_people(stage: Stage) -> None:
    """Deploy a flow of one's own that waits for people, and finish its tasks."""
    examples = ROOT / "examples"
    apply_catalogue(stage.workspace.store, examples / "predictions.yaml")
    stage.deploy("examples/check_predictions.py:check_predictions", "check-predictions")
    labels = stage.folder / "labels.csv"
    parameters = {"source": str(examples / "predictions.csv"), "destination": str(labels)}
    run_id = start_deployment("check-predictions", parameters, idempotency_key="demo")
    stage.wait_for_state(run_id, "Suspended")
    line("The flow has sent two of four predictions to people, and is suspended: no process waits.")
    for _ in range(2):
        _finish(stage, PREDICTIONS, {"sentiment": "bad"})
    seconds = stage.wait_for_state(run_id, "Completed")
    line(f"{seconds:4.1f} s after the last answer the flow had merged the answers:")
    for row in labels.read_text(encoding="utf-8").splitlines():
        line(row)


def read_answers(stage: Stage) -> None:
    """Read the answers to the reviews, and export them."""
    export_answers(stage, REVIEWS)


ACTS: Final[tuple[tuple[str, Callable[[Stage], None]], ...]] = (
    ("A CSV file: each row becomes a task", seed_csv),
    ("A ZIP: a CSV and the images that its rows name", seed_zip),
    ("A dataset: nested rows, and a mapping of columns to fields", seed_dataset),
    ("The HTTP API: another program creates tasks", post_tasks),
    ("Blank tasks in bulk", bulk_create),
    ("Another pipeline: its finished tasks become tasks here", seed_pipeline),
    ("A chain: the same, automatically, soon after a task is finished", chain),
    ("Infinite seeding: a sensor watches claims and creates new tasks", infinite_seeding),
    ("A second night: the file repeats known rows, and only new ones become tasks", second_night),
    ("A flow that waits for people: a DataFrame goes out, answers come back", wait_for_people),
    ("The answers: a DataFrame, and a Parquet file on S3", read_answers),
)
"""The title of each act, and the function that runs it."""
