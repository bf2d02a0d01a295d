"""What accompanies an attempt on another computer, over HTTPS, and where the service is away for long."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hints import advised
from tests.service.certificates import Certified, certified
from tests.service.conftest import LONG, SMALL, Served, Start, free_port
from tests.service.test_elsewhere import CHECKED, model, parameters, reaches
from trainer.errors import UsageError
from trainer.service.remote.attending import ASK, attended
from trainer.service.remote.launcher import Order
from trainer.service.remote.outbox import Outbox
from trainer.service.trust import check_pair

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
CARRY = "import sys; from trainer.service.remote.carrier import carry; sys.exit(carry(sys.stdin.buffer{}))"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def posing(serve: Callable[..., Served], made: Certified, orders: Path) -> Served:
    """A service with TLS, whose engine keeps each order for us, whole, and does nothing else."""
    script = f"head -n 1 > {orders}/$$ && mv {orders}/$$ {orders}/$$.json; cat > /dev/null"
    launchers = ["command=" + json.dumps({"command": f"sh -c {shlex.quote(script)}", "slots": 100}), "local"]
    tls = ("--certificate", str(made.certificate), "--key", str(made.key), "--port", free_port())
    return serve(*tls, *(word for each in launchers for word in ("--launcher", each)), certificate=made.certificate)


@pytest.fixture
def order(orders: Path) -> Callable[[], str]:
    """Takes the next order."""

    def taken() -> str:
        while not (found := [*orders.glob("*.json")]):
            time.sleep(0.02)
        text = found[0].read_text()
        found[0].unlink()
        return text

    return taken


def carrier(start: Start, order: str, **more: object) -> subprocess.Popen[str]:
    """A carrier, as `trainer attempt` is one, whose input stays open."""
    given = "".join(f", {name}={value!r}" for name, value in more.items())
    command = [sys.executable, "-c", CARRY.format(given)]
    process = start(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write(order)
    process.stdin.flush()
    return process


@needs_openssl
def test_over_https_with_a_certificate_of_ones_own_the_bytes_are_those_of_a_run_here(posing, order, start):
    run = posing.submit(CHECKED)
    process = carrier(start, order())
    assert posing.until(run, "finished", "failed")["state"] == "finished"
    assert (process.wait(30), process.stderr.read()) == (0, "")
    assert model(posing, run) == parameters(CHECKED)


@needs_openssl
def test_an_order_that_has_another_certificate_begins_nothing_and_says_so_in_a_line(posing, order, start, tmp_path):
    run = posing.submit(SMALL)
    given = json.loads(order())
    other = certified(tmp_path).certificate.read_text()
    for certificate in (other, None):
        process = carrier(start, json.dumps({**given, "certificate": certificate}) + "\n")
        assert process.wait(30) == 1  # at once, for it is not the moment that is to blame
        assert process.stderr.read() == (
            f"what answers at {posing.url} is not trusted: unable to get local issuer certificate; the service hands "
            "on the file of its --certificate, and who has signed another is known here by SSL_CERT_FILE\n"
        )
    assert posing.run(run)["state"] == "running"  # whoever has the right one may begin still
    assert carrier(start, json.dumps(given) + "\n").wait(60) == 0
    assert model(posing, run) == parameters(SMALL)


@needs_openssl
def test_who_is_away_for_longer_than_an_attempt_waits_has_what_it_was_handed(posing, order, start):
    run = posing.submit(LONG + "checkpoint: {epochs: 200}\n")
    process = carrier(start, order(), patience=2.0)
    reaches(posing, run, 1, checkpoints=1)
    folder = posing.root / "runs" / run
    posing.stop(signal.SIGKILL)
    handed_in = {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}
    assert process.wait(60) == 1
    said = process.stderr.read()
    assert said.startswith(f"the service at {posing.url} does not answer: "), said
    assert said.endswith(", for 2 s: the attempt ends; its run goes on from what was handed in\n")
    posing.start()
    assert all((folder / "checkpoints" / name).read_bytes() == content for name, content in handed_in.items())
    assert posing.run(run)["state"] == "running"  # until nothing was heard of it for half a minute (test_leases.py)
    posing.ask("POST", f"/v1/runs/{run}/cancel")


@needs_openssl
def test_where_more_waits_than_is_kept_points_give_way_and_the_record_is_whole(posing, order, start):
    run = posing.submit(CHECKED)
    process = carrier(start, order(), kept=500)  # a second of it is more
    assert posing.until(run, "finished", "failed")["state"] == "finished"
    assert process.wait(30) == 0
    told = posing.ask("GET", f"/v1/runs/{run}/history?limit=1000").json["data"]
    texts = [each["data"]["text"] for each in told if each["type"] == "warning"]
    assert texts
    for text in texts:
        assert text.endswith("messages were let go (500 bytes are kept): metrics.csv and log.txt have what they said")
    rows = (posing.root / "runs" / run / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 1500
    assert model(posing, run) == parameters(CHECKED)


def test_a_process_of_an_engines_ends_as_soon_as_it_is_not_wanted(capfd):
    asked = []

    def unwanted(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) == 3

    url = f"http://127.0.0.1:{free_port()}"
    assert attended(Order(json.dumps({"url": url, "certificate": None, "token": "tra_"}) + "\n"), unwanted) == 1
    assert asked == [0.0, ASK, ASK]
    assert capfd.readouterr().err == f"the service at {url} does not answer: [Errno 111] Connection refused\n"


def test_what_was_not_answered_is_said_again_as_it_was():
    box = Outbox()
    for text in (b"1", b"2", b"3"):
        box.put("log", text)
    assert box.take(2) == (1, [b"1", b"2"])
    box.put("log", b"4")
    assert box.take(9) == (1, [b"1", b"2"])
    assert len(box) == 4
    box.answered()
    assert box.take(9) == (3, [b"3", b"4"])
    box.answered()
    assert (box.take(9), len(box)) == ((5, []), 0)


def test_points_give_way_first_then_the_oldest_of_the_log_and_how_it_ended_never():
    box = Outbox(kept=100)
    box.put("ended", b"e" * 10)
    box.put("log", b"l" * 10)
    box.put("points", b"0" * 10)
    assert box.take(3)[1] == [b"e" * 10, b"l" * 10, b"0" * 10]  # on its way: it stays, whatever comes
    box.put("ended", b"E" * 10)
    for i in range(4):
        box.put("points", b"%d" % i * 20)
        box.put("log", b"%c" % (97 + i) * 5)
    box.answered()
    number, lines = box.take(99)
    assert number == 4
    assert b"the oldest 2 messages were let go (100 bytes are kept)" in lines[0]
    assert lines[1:] == [b"E" * 10, b"a" * 5, b"b" * 5, b"2" * 20, b"c" * 5, b"3" * 20, b"d" * 5]
    box.answered()
    for i in range(9):
        box.put("log", b"%d" % i * 20)
    box.put("ended", b"E" * 10)
    lines = box.take(99)[1]
    assert b"the oldest 6 messages" in lines[0]
    assert lines[1:] == [b"6" * 20, b"7" * 20, b"8" * 20, b"E" * 10]


@needs_openssl
def test_files_that_are_no_certificate_and_key_are_told_before_anything_is_served(made, tmp_path):
    other = certified(tmp_path)
    for certificate, key, says in (
        (
            tmp_path / "none.pem",
            made.key,
            f"--certificate {tmp_path}/none.pem cannot be read: No such file or directory",
        ),
        (made.certificate, tmp_path, f"--key {tmp_path} cannot be read: Is a directory"),
        (Path(__file__), made.key, "are no certificate and its key, in PEM and without a password: "),
        (made.certificate, other.key, "KEY_VALUES_MISMATCH"),
    ):
        with pytest.raises(UsageError) as caught:
            check_pair(str(certificate), str(key))
        assert says in str(caught.value)
    check_pair(str(made.certificate), str(made.key))


@needs_openssl
def test_a_client_is_told_whom_it_does_not_trust_and_which_token_is_not_known(posing, made, stranger):
    code, told = stranger(f"login {posing.url}", posing.token)
    assert code == 2
    assert f"what answers at {posing.url} is not trusted: " in told
    said = advised(told, f"trainer login {posing.url} --certificate FILE has it trusted")
    (login,) = re.findall(r"trainer (login .+) has", said)
    token = posing.ask("POST", "/v1/tokens", '{"user": "erin"}', Content_Type="application/json").json
    assert stranger(login.replace("FILE", str(made.certificate)), token["token"])[0] == 0
    assert stranger(f"runs --at {posing.url}")[0] == 0
    posing.ask("DELETE", f"/v1/tokens/{token['id']}")
    code, told = stranger(f"runs --at {posing.url}")
    assert (code, f"the service at {posing.url} does not know this token, or not any more" in told) == (1, True)
    said = advised(told, f"trainer login {posing.url} asks for another")
    assert stranger(re.findall(r"trainer (login \S+) asks", said)[0], posing.token)[0] == 0  # its certificate is known
    assert stranger(f"runs --at {posing.url}")[0] == 0
