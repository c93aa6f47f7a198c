"""The commands that the documents show run as typed, and their links lead somewhere."""

import re
import shlex
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import prefect.settings
import pytest
import yaml
from prefect_redis.client import RedisMessagingSettings

from pages import Typed, is_as_shown, lines_for_s3, output_of, typed_lines
from tasks_lib.cli import run
from tasks_lib.cli.output import console
from tasks_lib.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TUTORIAL = ROOT / "docs" / "get-started" / "tutorial.md"
BACKUP = ROOT / "docs" / "how-to" / "backup.md"
RUN_BY_ANOTHER_TEST = {
    "docs/get-started/tutorial.md": "deployments/test_tutorial.py",
    "docs/how-to/automations.md": "flows/test_pages_about_prefect.py",
    "docs/how-to/http-api.md": "api/test_walk.py",
    "docs/how-to/servers.md": "flows/test_pages_about_prefect.py",
}
SET_UP = {
    "pip install task-seeding",  # from the wheel, by the test of the package
    "source .venv/bin/activate",  # where the Makefile puts the environment
}
WITH_A_CLUSTER = {  # unit/test_kubernetes.py checks the manifests, and the page's Secrets
    "kubectl apply -f secrets.yaml",
    "kubectl apply -f kubernetes/",
    "kubectl port-forward service/prefect 4200",
    "kubectl exec deployment/api -- seeding key create acme",
}
CATALOGUES = sorted(set((ROOT / "examples").glob("*.yaml")) - {ROOT / "examples/automations.yaml"})
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"`python -m ([a-z_.]+)")
INSTALLED = "".join(
    (ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "compose.yaml")
).replace(" --no-cache-dir", "")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks, without comments."""
    blocks = "".join(BLOCK.findall(page.read_text(encoding="utf-8")))
    return [line.split("  #")[0].strip() for line in blocks.splitlines()]


def commands_of(page: Path) -> list[str]:
    """Return the lines that call our command, except those that test_compose runs."""
    return [line for line in lines_of(page) if is_ours(line)]


def is_ours(line: str) -> bool:
    return line.startswith("seeding ") and not line.startswith(("seeding api", "seeding deploy"))


def shown_by(page: Path) -> list[Typed]:
    """Return the commands with their output, unless another test runs them."""
    return [] if name_of(page) in RUN_BY_ANOTHER_TEST else typed_lines(page)


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=name_of)
def test_every_command_runs_as_typed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = commands_of(page)
    statuses = [run(shlex.split(command)[1:]) for command in commands]
    assert dict(zip(commands, statuses, strict=True)) == dict.fromkeys(commands, 0)


@pytest.mark.parametrize("page", [page for page in PAGES if shown_by(page)], ids=name_of)
def test_every_command_prints_what_its_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(console.out, "width", 100)  # it has read COLUMNS on import
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # without what others have left there
    for command, shown in shown_by(page):
        output = output_of(command)
        assert is_as_shown(output, shown), f"$ {command}\n{output}"


def is_setting(name: str) -> bool:
    """Tell whether the variable means something to us, to Prefect, or to who reaches S3."""
    kind, _, rest = name.partition("_")
    if rest.startswith("REDIS_MESSAGING_"):
        return rest.removeprefix("REDIS_MESSAGING_").lower() in RedisMessagingSettings.model_fields
    return {
        "SEEDING": rest.lower() in Settings.model_fields,
        "PREFECT": hasattr(prefect.settings, name),
        "AWS": True,
    }[kind]


def test_every_setting_of_the_compose_file_is_one() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    names = {name for service in services.values() for name in service.get("environment", {})}
    ours = [name for name in names if not name.startswith("POSTGRES_")]
    assert [name for name in ours if not is_setting(name)] == []


def is_run_elsewhere(line: str) -> bool:
    """Tell whether a line that is not our command is what another test runs.

    Without Docker and the servers of the examples, some are run in parts: what ``docker compose
    up`` does by test_compose, settings as those of the same name.
    """
    if line in lines_for_s3(TUTORIAL):  # by the test of the tutorial
        return True
    program, *words = shlex.split(line)
    match program:
        case "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            return re.search(rf"^{words[0]}:", makefile, re.MULTILINE) is not None
        case "export":
            return is_setting(words[0].partition("=")[0])
        case "docker":
            return words[:3] == ["compose", "exec", "api"] or words[1] in {"up", "down"}
        case "kubectl" | "pg_dump" | "pg_restore" | "python":
            return line in lines_of(BACKUP) or line in WITH_A_CLUSTER
        case _:
            return line in INSTALLED or line in SET_UP


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_other_line_of_a_shell_is_run_by_another_test(page: Path) -> None:
    others = [line for line in lines_of(page) if not is_ours(line)]
    assert [line for line in others if not is_run_elsewhere(line)] == []


@pytest.mark.parametrize(
    "module",
    sorted({name for page in PAGES for name in MODULE.findall(page.read_text(encoding="utf-8"))}),
)
def test_every_module_that_a_page_runs_is_there(module: str) -> None:
    assert find_spec(module) is not None


@pytest.mark.parametrize("example", CATALOGUES, ids=lambda path: path.name)
def test_every_example_of_a_catalogue_can_be_applied(example: Path) -> None:
    assert run(["apply", str(example)]) == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []
