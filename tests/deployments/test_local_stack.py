"""The start of the local stack: its ports, and the error when it does not come up."""

import os
import socket
from pathlib import Path

import pytest

import deployments.local_stack as local_stack_module
from deployments.local_stack import _reserve_port, local_stack
from servers import free_port
from tasks_lib.errors import PrefectUnavailableError


def test_a_server_that_does_not_start_is_reported_with_its_last_output(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("a file where PREFECT_HOME should be", encoding="utf-8")
    with (
        pytest.raises(PrefectUnavailableError) as caught,
        local_stack(tmp_path, os.environ, preferred_port=free_port()),
    ):
        pytest.fail("there is no stack")
    assert str(caught.value).startswith("the server ended with status 3; its last output was:\n")
    assert "unable to open database file" in str(caught.value)


def test_a_stack_gets_the_port_it_prefers() -> None:
    preferred = free_port()
    with _reserve_port(preferred) as port:
        assert port == preferred


def test_a_stack_gets_another_port_when_somebody_listens_on_the_one_it_prefers() -> None:
    preferred = free_port()
    with (
        socket.create_server(("127.0.0.1", preferred)),
        _reserve_port(preferred) as port,
    ):
        assert preferred < port < preferred + 100


def test_a_stack_says_which_ports_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stack_module, "_PORTS_TRIED", 1)
    preferred = free_port()
    message = f"the ports {preferred} to {preferred} of 127.0.0.1 are all taken"
    with (
        socket.create_server(("127.0.0.1", preferred)),
        pytest.raises(PrefectUnavailableError, match=f"^{message}$"),
        _reserve_port(preferred),
    ):
        pytest.fail("there is no port")


def test_a_port_is_reserved_before_its_server_listens_and_freed_when_it_ends() -> None:
    preferred = free_port()
    with _reserve_port(preferred), _reserve_port(preferred) as port_of_the_second:
        assert port_of_the_second != preferred
    with _reserve_port(preferred) as port_of_the_third:
        assert port_of_the_third == preferred
