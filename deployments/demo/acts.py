"""The acts of the demo: each shows one way of creating tasks, in the order of ``ACTS``."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import fsspec
import orjson

from deployments.demo.stage import DemoFailedError, Stage, line, print_tasks, wait
from deployments.manifest import ROOT
from tasks_lib.console import print_task
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations import queries
from tasks_lib.operations.chains import ChainRequest, create_chain
from tasks_lib.operations.import_dataset import ImportRequest, import_dataset
from tasks_lib.operations.infinite_sensor import is_watched
from tasks_lib.steps.automations import ensure_automation
from tasks_lib.steps.server import start_deployment

REVIEWS: Final = "acme/reviews/label-reviews"
PHOTOS: Final = "acme/photos/describe-photos"
LABELS: Final = "acme/qa/check-labels"
DESCRIPTIONS: Final = "acme/qa/check-descriptions"
IDEAS: Final = "acme/ideas/collect-ideas"
STORIES: Final = "acme/ideas/tell-stories"
ANN: Final = "ann@example.org"


def seed_csv(stage: Stage) -> None:
    """Seed a file, look at the tasks, and seed it again."""
    source = {"pipeline": REVIEWS, "source": str(ROOT / "examples" / "reviews.csv")}
    first = stage.seed("seed-from-csv", source)
    line("Its tasks, ready for contributors; every value is as it was written:")
    print_tasks(queries.list_tasks(stage.workspace.store, REVIEWS, limit=10))
    line("The same file again: nothing doubles.")
    again = stage.seed("seed-from-csv", source)
    if not first.created or again.created or again.already_seeded != first.created:
        raise DemoFailedError(f"a file was seeded twice: {first.created}, then {again.created}")


def seed_zip(stage: Stage) -> None:
    """Seed a ZIP, and open a file of a task by the link that ``seeding tasks show`` gives."""
    stage.seed(
        "seed-from-zip", {"pipeline": PHOTOS, "source": str(ROOT / "examples" / "photos.zip")}
    )
    task = queries.list_tasks(stage.workspace.store, PHOTOS)[-1]
    links = queries.links_to_files(stage.workspace, task)
    print_task(task, links)
    photo = orjson.loads(task.fields)["photo"]
    with fsspec.open(links["photo"]) as file:
        found = sha256(file.read()).hexdigest()
    if found != photo["sha256"]:
        raise DemoFailedError(f"{links['photo']} is not the file that was stored")
    line(f"opened: {photo['size']:,} bytes of {photo['content_type']}, as they were in the ZIP")


def seed_dataset(stage: Stage) -> None:
    """Import a nested file into the Data Vault, and seed it by a mapping."""
    source = str(ROOT / "examples" / "reviews.jsonl")
    report = import_dataset(stage.workspace, ImportRequest("acme", "web-reviews", source))
    line(report.sentence)
    mapping = {"review_id": "id", "body": "review:$.text", "stars": "rating"}
    line(f"The mapping: {', '.join(f'{field} <- {column}' for field, column in mapping.items())}")
    stage.seed(
        "seed-from-dataset", {"pipeline": REVIEWS, "dataset": "web-reviews", "mapping": mapping}
    )


def post_tasks(stage: Stage) -> None:
    """Create tasks as another program does."""
    fields = {"review_id": "api-1", "body": "Came over HTTP.", "stars": 4}
    answer = stage.post(f"{_workflow(stage, REVIEWS)}/tasks", {"tasks": [{"fields": fields}]})
    line(f"201: {answer}")


def seed_pipeline(stage: Stage) -> None:
    """Finish a task of one pipeline, and seed another one from what is finished."""
    _finish(stage, PHOTOS, {"description": "A harbour at dawn."})
    stage.seed("seed-from-pipeline", {"pipeline": DESCRIPTIONS, "source_pipeline": PHOTOS})
    line("The task has the description that was filled in:")
    print_tasks(queries.list_tasks(stage.workspace.store, DESCRIPTIONS))


def chain(stage: Stage) -> None:
    """Chain two pipelines, finish a task, and wait for what the automation makes of it."""
    store = stage.workspace.store
    request = ChainRequest(LABELS, REVIEWS, Trigger.TASK_COMPLETION)
    made = create_chain(stage.workspace, request, at=datetime.now(UTC))
    ensure_automation(store, made)
    line(f"Prefect has the automation: {made.name}")
    task_id = _finish(stage, REVIEWS, {"sentiment": "good"})
    seconds = wait(
        lambda: bool(queries.list_tasks(store, LABELS)), f"task {task_id} was not chained"
    )
    line(f"{seconds:4.1f} s after task {task_id} was finished there is:")
    print_task(queries.list_tasks(store, LABELS)[0], {})


def _workflow(stage: Stage, pipeline: str) -> str:
    return f"/workflows/{queries.find_pipeline(stage.workspace.store, pipeline).id}"


def _finish(stage: Stage, pipeline: str, fields: dict[str, str]) -> int:
    """Claim and submit a task over the External API, as a contributor's program does."""
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
    """Keep a pipeline topped up, start the sensor, claim a task, and wait for the next one."""
    store = stage.workspace.store
    workflow = _workflow(stage, STORIES)
    stage.post(f"{workflow}/infinite", {"target": 100, "keep_available": 1})
    start_deployment("infinite-seeding", {}, idempotency_key="demo")
    wait(lambda: is_watched(store, at=datetime.now(UTC)), "the sensor did not start")
    line("The sensor watches. A contributor claims the only task:")
    task_id = int(stage.post(f"{workflow}/tasks/claim", {"contributor": ANN})["id"])
    seconds = wait(lambda: len(queries.list_tasks(store, STORIES)) > 1, "no task was made")
    line(f"{seconds:4.2f} s after task {task_id} was claimed there is the next one.")


ACTS: Final[tuple[tuple[str, Callable[[Stage], None]], ...]] = (
    ("A CSV file: each row becomes a task", seed_csv),
    ("A ZIP: a CSV and the images that its rows name", seed_zip),
    ("A dataset: nested rows, and a mapping of columns to fields", seed_dataset),
    ("The External API: another program creates tasks", post_tasks),
    ("Blank tasks in bulk, where nothing is predefined", bulk_create),
    ("Another pipeline: what is finished there becomes tasks here", seed_pipeline),
    ("A chain: the same, by itself, soon after a task is finished", chain),
    ("Infinite seeding: a sensor watches claims and makes new tasks", infinite_seeding),
)
"""What an act shows, and the act."""
