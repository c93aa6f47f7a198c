"""prefect.yaml: its declarations, and the errors of strict parsing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy import _models as prefect_models
from pydantic import BaseModel

from deployments.repository import ROOT
from pages import DOCS
from tasks_lib.deploy import manifest
from tasks_lib.deploy.manifest import ManifestRejectedError, load_flows, read_manifest
from tasks_lib.errors import UsageError


@pytest.fixture
def document() -> dict[str, Any]:
    """The manifest, which a test may break."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prefect.yaml"


def write(path: Path, document: object) -> Path:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def yaml_of(page: str) -> Any:
    """Return a page's first block of YAML."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])


def test_the_schedule_that_the_page_about_nightly_files_shows_can_be_added(
    document: dict[str, Any], path: Path
) -> None:
    document["deployments"][0] |= yaml_of("how-to/nightly-file.md")
    with_schedule = read_manifest(write(path, document))
    assert [schedule.slug for schedule in with_schedule.deployments[0].schedules] == [
        "nightly-reviews"
    ]
    load_flows(with_schedule)


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.])\s", " ".join(text.split()), maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("seed-from-csv", ["Example", "Bad rows", "Once"]),
        ("seed-from-zip", ["Example", "Bad rows", "Once"]),
        ("seed-from-dataset", ["Example", "Bad rows", "Review", "Once"]),
        ("seed-from-pipeline", ["Example", "Bad rows", "Review", "Once"]),
        ("import-dataset", ["Example", "Key", "Bad rows", "Once"]),
        ("bulk-create", ["Example", "Bad rows", "Once"]),
    ],
)
def test_a_description_says_what_a_seeding_does_with_bad_rows_and_gives_an_example(
    name: str, parts: list[str]
) -> None:
    descriptions = {one.name: one.description for one in read_manifest().deployments}
    assert re.findall(r"^\*\*([^*]+)\.\*\*", descriptions[name], re.MULTILINE) == parts


def test_every_definition_matches_the_reviewed_one() -> None:
    definitions = [
        deployment.model_dump(exclude_defaults=True) for deployment in read_manifest().deployments
    ]
    for definition in definitions:
        definition["description"] = first_sentence(definition["description"])
    assert definitions == [
        {
            "name": "seed-from-csv",
            "entrypoint": "flows.seed_from_csv.seed_from_csv",
            "description": "Create one task for each row of a CSV file.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
            "schedules": [
                {
                    "slug": "nightly-example",
                    "cron": "0 3 * * *",
                    "timezone": "UTC",
                    "active": False,
                    "parameters": {
                        "pipeline": "acme/reviews/label-reviews",
                        "source": "s3://inbox/reviews.csv",
                        "on_error": "skip-rows",
                    },
                }
            ],
        },
        {
            "name": "seed-from-zip",
            "entrypoint": "flows.seed_from_zip.seed_from_zip",
            "description": "Create one task for each row of a ZIP's CSV, with the files that "
            "it names.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-from-dataset",
            "entrypoint": "flows.seed_from_dataset.seed_from_dataset",
            "description": "Create one task for each row of a dataset that is not a task yet.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-from-pipeline",
            "entrypoint": "flows.seed_from_pipeline.seed_from_pipeline",
            "description": "Create one task for each finished task of another pipeline, once.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "import-dataset",
            "entrypoint": "flows.import_dataset.import_dataset",
            "description": "Import the rows of a file into a dataset, from which pipelines are "
            "seeded.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
            "schedules": [
                {
                    "slug": "nightly-example",
                    "cron": "0 2 * * *",
                    "timezone": "UTC",
                    "active": False,
                    "parameters": {
                        "organization": "acme",
                        "dataset": "web-reviews",
                        "source": "s3://inbox/reviews.csv",
                        "key": ["review_id"],
                    },
                }
            ],
        },
        {
            "name": "bulk-create",
            "entrypoint": "flows.bulk_create.bulk_create",
            "description": "Create blank tasks in a pipeline without dataset fields.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "export-results",
            "entrypoint": "flows.export_results.export_results",
            "description": "Export the tasks that were finished since the last export to the same "
            "folder or table, with the values that contributors filled in.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
            "schedules": [
                {
                    "slug": "nightly",
                    "cron": "30 2 * * *",
                    "timezone": "UTC",
                    "active": True,
                },
            ],
        },
        {
            "name": "infinite-seeding",
            "entrypoint": "flows.infinite_seeding.infinite_seeding",
            "description": "Create tasks as contributors claim them, so that some are available.",
            "tags": ["upkeep"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-chain",
            "entrypoint": "flows.seed_chain.seed_chain",
            "description": "Create tasks from finished tasks in the pipelines chained to theirs.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "reconcile",
            "entrypoint": "flows.reconcile.reconcile",
            "description": "Release expired claims, fire chains, publish pending events, delete "
            "old tasks and files.",
            "tags": ["upkeep"],
            "work_pool": {"name": "seeding"},
            "schedules": [
                {
                    "slug": "half-hourly",
                    "cron": "7,37 * * * *",
                    "timezone": "UTC",
                    "active": True,
                    "parameters": {"minutes": 60},
                },
            ],
        },
    ]


NAMES = (
    "seed-from-csv",
    "seed-from-zip",
    "seed-from-dataset",
    "seed-from-pipeline",
    "import-dataset",
    "bulk-create",
    "export-results",
    "infinite-seeding",
    "seed-chain",
    "reconcile",
)


def test_every_flow_loads_under_the_name_of_its_deployment() -> None:
    flows = load_flows(read_manifest())
    assert {name: flow.name for name, flow in flows.items()} == {name: name for name in NAMES}


@pytest.mark.parametrize(
    ("ours", "prefects"),
    [
        (manifest.Deployment, prefect_models.DeploymentConfig),
        (manifest.WorkPool, prefect_models.WorkPoolConfig),
        (manifest.Schedule, prefect_models.RawScheduleConfig),
        (manifest.ConcurrencyLimit, prefect_models.ConcurrencyLimitSpec),
    ],
)
def test_prefect_knows_every_key_that_we_allow(
    ours: type[BaseModel], prefects: type[BaseModel]
) -> None:
    assert ours.model_fields.keys() - prefects.model_fields.keys() == set()


def test_an_unknown_key_is_refused_where_prefect_would_drop_it(
    document: dict[str, Any], path: Path
) -> None:
    document["deployments"][0]["triggres"] = []
    document["deployments"][0]["schedules"][0]["activ"] = True
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(write(path, document))
    assert str(caught.value) == (
        f"{path} is refused: "
        "deployments.seed-from-csv.schedules.0.activ: Extra inputs are not permitted; "
        "deployments.seed-from-csv.triggres: Extra inputs are not permitted"
    )


def test_another_work_pool_is_refused(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["work_pool"] = {"name": "default"}
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(write(path, document))
    assert str(caught.value) == (
        f"{path} is refused: deployments.seed-from-csv.work_pool.name: Input should be 'seeding'"
    )


def test_a_schedule_has_one_kind_of_timing(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["schedules"][0]["interval"] = 60
    with pytest.raises(ManifestRejectedError, match="a schedule has either cron or interval"):
        read_manifest(write(path, document))


def test_a_name_occurs_once(document: dict[str, Any], path: Path) -> None:
    document["deployments"].append(document["deployments"][0])
    with pytest.raises(ManifestRejectedError, match=r"the file: deployed twice: seed-from-csv$"):
        read_manifest(write(path, document))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: [", "is not YAML: "),
        ("[]", "is refused: the file: Input should be a valid dictionary"),
        ("deployments: [1]", "is refused: name: Field required; "),
    ],
    ids=["no YAML", "no mapping", "a number for a deployment"],
)
def test_an_invalid_manifest_is_refused_with_the_reason(path: Path, text: str, reason: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path} {reason}")


def test_a_missing_manifest_is_reported(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    assert str(caught.value) == f"{path} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"pipeline": "a/b/c", "source": "x.csv", "on_error": "ignore"},
            "Flow run received invalid parameters: "
            "- on_error: Input should be 'reject-file' or 'skip-rows'",
        ),
        (
            {"pipeline": "a/b/c"},
            "Flow run received invalid parameters: - source: Field required",
        ),
        (
            {"pipeline": "a/b/c", "sauce": "x.csv"},
            "Function expects parameters ['pipeline', 'source', 'encoding', 'delimiter', "
            "'quote', 'on_error', 'max_rejected', 'dry_run', 'allow_duplicate', 'full', "
            "'allow_shrink', 'name', 'labels', 'upload'] but was provided with parameters "
            "['pipeline', 'sauce']",
        ),
    ],
    ids=["wrong value", "missing", "unknown"],
)
def test_a_schedule_that_the_flow_would_reject_is_refused(
    document: dict[str, Any], path: Path, parameters: dict[str, str], reason: str
) -> None:
    document["deployments"][0]["schedules"][0]["parameters"] = parameters
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == (
        f"the deployments are refused: seed-from-csv, schedule nightly-example: {reason}"
    )


@pytest.mark.parametrize(
    ("entrypoint", "reason"),
    [
        ("flows.no_such.flow", "flows.no_such.flow has no flow: No module named 'flows.no_such'"),
        (
            "flows.seed_from_csv.seed",
            "flows.seed_from_csv.seed has no flow: "
            "Flow function with name 'seed' not found in 'flows.seed_from_csv'. ",
        ),
        (
            "flows.seed_from_csv.run_name",
            "flows.seed_from_csv.run_name has no flow: Function with name 'run_name' is not a "
            "flow. Make sure that it is decorated with '@flow'.",
        ),
    ],
    ids=["no module", "no function", "no flow"],
)
def test_an_entrypoint_without_a_flow_is_refused(
    document: dict[str, Any], path: Path, entrypoint: str, reason: str
) -> None:
    document["deployments"][0]["entrypoint"] = entrypoint
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == f"the deployments are refused: seed-from-csv: {reason}"


def test_a_deployment_is_named_like_its_flow(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["name"] = "seed-csv"
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == (
        "the deployments are refused: seed-csv: its flow is named 'seed-from-csv'"
    )
