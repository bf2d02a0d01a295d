"""Whoever is not let in by a service, or cannot be served, does what is said, and is."""

from __future__ import annotations

import re
import socket

import pytest

from tests.hints import advised
from tests.service.conftest import Served, free_port
from trainer.errors import UsageError
from trainer.service.web.server import address, listening

SUBMIT = "submit small.yaml --again"


def submitted(served: Served, told: str) -> bool:
    """Whether a command has said which run it has made."""
    return bool(served.run(told.split()[0])["name"] == "small")


def test_a_service_is_known_once_it_is_started_or_logged_in_to(served, stranger, monkeypatch):
    code, told = stranger(SUBMIT)
    assert code == 2
    said = advised(told, "no service is known here; start one, trainer serve, or name one: trainer login URL")
    with monkeypatch.context() as starter:  # whose service this is
        starter.setenv("TRAINER_CONFIG", str(served.root.parent / "conf"))
        assert submitted(served, stranger(SUBMIT)[1])
    login = said.rpartition("trainer ")[2].replace("URL", served.url)
    assert stranger(login, served.token)[0] == 0
    assert submitted(served, stranger(SUBMIT)[1])


def test_a_token_is_given_by_a_login_or_a_variable(served, stranger, monkeypatch):
    code, told = stranger(f"{SUBMIT} --at {served.url}")
    assert code == 2
    said = advised(told, f"give one: trainer login {served.url}, or the variable TRAINER_TOKEN")
    with monkeypatch.context() as variable:
        variable.setenv(said.split()[-1], served.token)
        assert submitted(served, stranger(f"{SUBMIT} --at {served.url}")[1])
    (login,) = re.findall(r"trainer (login \S+),", said)
    assert stranger(login, served.token)[0] == 0
    assert submitted(served, stranger(f"{SUBMIT} --at {served.url}")[1])


def test_for_a_token_that_is_not_good_any_more_another_is_given(served, stranger, monkeypatch):
    made = served.ask("POST", "/v1/tokens", '{"user": "erin"}', Content_Type="application/json").json
    assert stranger(f"login {served.url}", made["token"])[0] == 0
    assert submitted(served, stranger(SUBMIT)[1])
    served.ask("DELETE", f"/v1/tokens/{made['id']}")
    code, told = stranger(SUBMIT)
    assert code == 1
    said = advised(told, f"does not know this token, or not any more; trainer login {served.url} asks for another")
    (login,) = re.findall(r"trainer (login \S+) asks", said)
    assert stranger(login, served.token)[0] == 0
    assert submitted(served, stranger(SUBMIT)[1])
    monkeypatch.setenv("TRAINER_TOKEN", made["token"])
    code, told = stranger(SUBMIT)
    said = advised(told, "it is that of TRAINER_TOKEN, which goes before any other: unset that, and trainer login")
    monkeypatch.delenv(said.split()[4].strip(","))
    assert submitted(served, stranger(SUBMIT)[1])


def test_a_memory_that_is_damaged_is_removed_and_made_again(served, stranger, tmp_path):
    assert stranger(f"login {served.url}", served.token)[0] == 0
    memory = tmp_path / "conf" / "services.json"
    memory.write_text(memory.read_text()[:-9])
    code, told = stranger(SUBMIT)
    assert (code, str(memory) in told) == (2, True)
    said = advised(told, "remove it, and log in again: trainer login URL")
    memory.unlink()
    assert stranger(said.rpartition("trainer ")[2].replace("URL", served.url), served.token)[0] == 0
    assert submitted(served, stranger(SUBMIT)[1])


def test_a_ticket_that_was_used_is_followed_by_another(served, stranger):
    path = served.ask("POST", "/v1/tickets").json["path"]
    assert served.ask("GET", path, token=None).status == 303
    refused = served.ask("GET", path, token=None)
    assert refused.status == 401
    said = advised(refused.json["detail"], "trainer login URL --browser makes another")
    assert stranger(f"login {served.url}", served.token)[0] == 0
    code, told = stranger(re.findall(r"trainer (.+) makes", said)[0].replace("URL", served.url))
    assert code == 0
    assert served.ask("GET", told.split()[-1].removeprefix(served.url), token=None).status == 303


def test_by_another_name_a_service_answers_once_it_is_started_with_it(served, serve):
    refused = served.ask("GET", "/healthz", Host="train.example.org")
    assert refused.status == 421
    said = advised(refused.json["detail"], "start it with --allow-host NAME for further ones")
    other = serve(*re.findall(r"(--\S+) (NAME)", said)[0][:1], "train.example.org")
    port = other.address.rpartition(":")[2]
    for host in ("train.example.org", f"Train.example.org:{port}", other.address):
        assert other.ask("GET", "/healthz", Host=host).status == 200
    other.stop()


def test_where_another_program_listens_another_port_is_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(UsageError) as caught:
            listening("127.0.0.1", taken.getsockname()[1])
        said = advised(
            caught.value, "another program listens there; choose another, --port N, or 0 for one that is free"
        )
        assert str(caught.value) == f"127.0.0.1:{taken.getsockname()[1]} cannot be had: {said}"
        for port in (int(free_port()), 0):
            with listening("127.0.0.1", port) as bound:
                assert address(bound) != address(taken)
