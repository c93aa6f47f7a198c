"""The local stack's beginning: where it listens, and what is told when it does not come up."""

import os
import socket
from pathlib import Path

import pytest

from deployments.local_stack import _free_port, local_stack
from servers import free_port
from tasks_lib.errors import PrefectUnavailableError


def test_a_server_that_does_not_start_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("a file where PREFECT_HOME should be", encoding="utf-8")
    with (
        pytest.raises(PrefectUnavailableError) as caught,
        local_stack(tmp_path, os.environ, preferred_port=free_port()),
    ):
        pytest.fail("there is no stack")
    assert str(caught.value).startswith("the server ended with status 3; it wrote last:\n")
    assert "unable to open database file" in str(caught.value)


def test_the_preferred_port_is_taken_unless_somebody_listens_there() -> None:
    port = free_port()
    assert _free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert _free_port(port) != port
