"""Image and compose file without containers: their steps, commands and settings, on this machine.

What a container would bring along is here a virtual environment, made by the Dockerfile's own
steps; the names of other containers in settings and commands are replaced by addresses.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployments.child_process import ChildProcess, child_process
from deployments.manifest import ROOT

OF_THE_MACHINE = ("HOME", "LANG", "PIP_", "SSL_", "http", "HTTP", "no_proxy", "NO_PROXY")
"""How the names begin of what programs need that load packages: where from, and by which proxy."""


@dataclass(frozen=True)
class Image:
    """What the Dockerfile makes: a folder with the copied files, and an environment."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ".venv" / "bin"

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return what a program sees: nothing but its settings and what a machine needs."""
        kept = {
            name: value for name, value in os.environ.items() if name.startswith(OF_THE_MACHINE)
        }
        return kept | {"PATH": f"{self.programs}:{os.defpath}"} | dict(settings)

    def run(self, command: str, settings: Mapping[str, str] = {}) -> str:
        """Run a shell command to its end and return its output."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def build_image(folder: Path) -> Image:
    """Do in a folder what the Dockerfile says, except for what needs a container."""
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    image = Image(folder)
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(source, folder / target)
        elif instruction == "RUN" and rest.startswith("pip "):
            image.run(rest)
    return image


def _copy(source: str, target: Path) -> None:
    """Copy a file into a folder, or with ``.`` all that .dockerignore lets pass."""
    target.mkdir(exist_ok=True, parents=True)
    if source != ".":
        shutil.copy(ROOT / source, target)
        return
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = [line.removeprefix("!") for line in lines if line.startswith("!")]
    left = [line for line in lines if not line.startswith("!")]
    assert left == ["*", "**/__pycache__"], "this function knows no other patterns"
    for name in taken:
        if (ROOT / name).is_dir():
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target / name, ignore=without, dirs_exist_ok=True)
        else:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, target / name)


@dataclass(frozen=True)
class Composition:
    """The compose file's services, as they run on this machine."""

    image: Image
    addresses: Mapping[str, str]
    """What stands in the file, and what it is here."""
    logs: Path
    document: dict[str, Any] = field(
        default_factory=lambda: yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    )

    there: set[str] = field(default_factory=set)
    """Services that have started, or done their work."""

    def settings(self, service: str) -> dict[str, str]:
        """Return the environment of a service."""
        stated = self.document["services"][service]["environment"]
        return {name: self._here(value) for name, value in stated.items()}

    def run(self, service: str) -> str:
        """Run a service that does its work and ends."""
        command = self._command(service)
        output = self.image.run(command, self.settings(service))
        self.there.add(service)
        return output

    @contextmanager
    def started(self, service: str, name: str = "") -> Iterator[ChildProcess]:
        """Run a service for as long as a block lasts."""
        first, *rest = shlex.split(self._command(service))
        with child_process(
            name or service,
            [str(self.image.programs / first), *rest],
            environment=self.image.environment(self.settings(service)),
            log_folder=self.logs,
            cwd=self.image.folder,
        ) as process:
            self.there.add(service)
            yield process

    def execute(self, service: str, command: str) -> str:
        """Run a command where a service runs, as ``docker compose exec`` does."""
        assert service in self.there
        return self.image.run(command, self.settings(service))

    def _command(self, service: str) -> str:
        stated = self.document["services"][service]
        assert set(stated.get("depends_on", {})) <= self.there, f"{service} would not start yet"
        return self._here(stated["command"])

    def _here(self, text: str) -> str:
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text
