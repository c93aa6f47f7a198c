"""The flow export-results shows on its page what it has exported."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from httpx import Client

from flows.export_results import export_results
from people import finish, make_tasks
from tasks_lib.errors import UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

LABEL = "acme/reviews/label-reviews"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_the_flow_exports_what_is_new(prefect: Client, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        make_tasks(workspace, tmp_path, 2)
        finish(workspace.store)
        lake = tmp_path / "lake"
        state = export_results(LABEL, str(lake), return_state=True)
        report: Any = state.result()
        [name] = report["files"]
        assert report == {
            "pipeline_id": 1,
            "group_id": None,
            "destination": str(lake),
            "format": "parquet",
            "exported": 1,
            "files": [name],
        }
        assert pq.read_table(lake / name)["task_id"].to_pylist() == [1]
        assert state.message == f"exported 1 task to {lake}, in 1 file."
        again = export_results(LABEL, str(lake), return_state=True)
        assert again.message == f"nothing was finished since the last export to {lake}."


def test_the_flow_exports_to_declared_destinations(
    prefect: Client, tmp_path: Path, catalogue_file: Path
) -> None:
    nothing = export_results(return_state=True)
    assert nothing.message == "no catalogue declares where results go."
    name = "- name: label-reviews\n"
    results = f"            results: [{{name: lake, url: {tmp_path / 'lake'}}}]\n"
    text = catalogue_file.read_text(encoding="utf-8").replace(name, name + results, 1)
    declared = catalogue_file.with_name("declared.yaml")
    declared.write_text(text, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, declared)
        make_tasks(workspace, tmp_path, 1)
        finish(workspace.store)
    state = export_results(LABEL, return_state=True)
    assert state.message == "exported new results to 1 of 1 destination."
    report: Any = state.result()
    assert [one["exported"] for one in report["exports"]] == [1]
    with pytest.raises(UsageError, match="by_day needs a destination"):
        export_results(by_day=True)
    with pytest.raises(UsageError, match="with_files needs a destination"):
        export_results(with_files=True)
