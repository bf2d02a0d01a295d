"""Checked on load: what is checked, what is kept, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.hints import advised
from trainer import check, op
from trainer.checker.checks import BRIEF, FULL
from trainer.checker.run import examine
from trainer.checker.verdicts import digest_of, ensure_checked
from trainer.cli import main
from trainer.errors import RuleError
from trainer.plugins import Plugins, shared

PLUGIN = """
import numpy as np
from trainer import hookimpl, op

bend = op(lambda x: x * x, name="bend").defvjp(x=lambda dy, x: FACTOR * x * dy)
bend.samples(lambda rng: [rng.normal(size=(3, 4))])

@hookimpl
def register_ops(register):
    register(bend)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verdicts"


@pytest.fixture
def bend(tmp_path):
    """The plugin's op with a factor of one's choice."""

    def load(factor):
        (tmp_path / "bend.py").write_text(PLUGIN.replace("FACTOR", factor))
        return Plugins(["bend.py"], folder=tmp_path, entry_points=False).get("ops", "bend").target

    return load


def test_a_right_op_is_checked_once_and_then_read(bend, cache):
    (first,) = ensure_checked([bend("2")])
    (second,) = ensure_checked([bend("2")])
    assert (first.ok, first.cached, second.ok, second.cached) == (True, False, True, True)
    assert [json.loads(p.read_text())["op"] for p in cache.iterdir()] == ["bend"]


def test_another_rule_is_checked_anew(bend, cache):
    ensure_checked([bend("2")])
    (verdict,) = ensure_checked([bend("2.0000001")], allow_unchecked=True)
    assert (verdict.ok, verdict.cached) == (False, False)
    assert len(list(cache.iterdir())) == 2


def test_another_numpy_is_checked_anew(bend, monkeypatch):
    ensure_checked([bend("2")])
    monkeypatch.setattr(np, "__version__", "99.0")
    assert not ensure_checked([bend("2")])[0].cached


def test_a_wrong_op_does_not_train(bend, tmp_path):
    wrong = bend("3")
    for _ in range(2):  # checked, then read
        with pytest.raises(RuleError) as caught:
            ensure_checked([wrong])
        assert str(caught.value) == (
            f"op 'bend', from {wrong.origin}, has not passed the check that an op gets before its first use: "
            f"the rule for 'x' is not the derivative\n"
            f"  the full report    trainer ops check {tmp_path / 'bend.py'}\n"
            f"  train regardless   add --allow-unchecked; the run will record it"
        )


def test_unless_somebody_says_so(bend):
    (verdict,) = ensure_checked([bend("3")], allow_unchecked=True)
    assert not verdict.ok
    assert verdict.finding == "the rule for 'x' is not the derivative"


def test_an_op_without_samples_has_not_passed():
    bare = op(lambda x, w: x * w, name="bare").defvjp(x=lambda dy, w: dy * w)
    with pytest.raises(RuleError, match="'bare' cannot be checked: it has no samples, and none were given"):
        ensure_checked([bare])


@pytest.mark.parametrize("samples", [[np.ones(3)], [1.0, 2.0], "ones", {"x": np.ones(3)}, np.arange(3)])
def test_samples_that_nothing_can_be_tried_on_prove_nothing(samples):
    wrong = op(lambda x: x * x, name="wrong").defvjp(x=lambda dy, x: dy * x)
    report = check(wrong, samples)
    assert not report.ok
    assert "no sample has an array of real or complex numbers that can be differentiated; give one" in str(report)


def test_what_is_said_to_give_as_samples_is_tried():
    cube = op(lambda x: x**3, name="cube").defvjp(x=lambda dy, x: 3 * dy * x**2)
    scale = op(lambda x, w: x * w, name="scale").defvjp(x=lambda dy, w: dy * w, w=lambda dy, x: dy * x)
    named = {"check": check, "cube": cube, "scale": scale, "f": np.tanh, "x": np.ones(3), "w": np.full(3, 2.0)}
    for target, call in ((cube, "check(cube, x)"), (scale, "check(scale, (x, w))"), (np.tanh, "check(f, x)")):
        told = str(check(target, "ones"))
        advised(told, "give one argument per sample, an array or a tuple of arguments: check(")
        assert eval(advised(told, call), named).ok  # noqa: S307  what the message says


def test_an_activation_without_samples_is_tried_on_a_matrix():
    right = op(lambda x: x * x, name="right").defvjp(x=lambda dy, x: 2 * dy * x)
    wrong = op(lambda x: x * x, name="wrong").defvjp(x=lambda dy, x: dy * x)
    assert ensure_checked([right])[0].ok
    with pytest.raises(RuleError, match="the rule for 'x' is not the derivative"):
        ensure_checked([wrong])


def test_what_ships_is_not_checked_again():
    assert ensure_checked([shared().get("ops", name).target for name in ("swish", "matmul")]) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ok": true}', '{"ok": 1, "digest": "x"}', "\x00"])
def test_a_damaged_verdict_is_made_again(bend, cache, content):
    ensure_checked([bend("2")])
    (path,) = cache.iterdir()
    path.write_text(content)
    assert ensure_checked([bend("2")])[0].ok
    assert not ensure_checked([bend("3")], allow_unchecked=True)[0].ok


def test_a_cache_that_cannot_be_written_costs_only_time(bend, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "file"))
    assert ensure_checked([bend("2")])[0].ok


def test_the_check_is_brief(bend, calls):
    right = bend("2")

    def count(checks):
        examine(right, (), checks, first_only=True)  # reads what is installed here, once
        return calls(lambda: examine(right, (), checks, first_only=True))

    assert count(BRIEF) < 20_000 < count(FULL)


SCALED = """
import numpy as np
from trainer import hookimpl, op

@op
def scaled(x, *, by: float = 1.0):
    return np.tanh(by * x)

scaled.defvjp(x=lambda dy, y: dy * (1 - y * y))
SAMPLES

@hookimpl
def register_ops(register):
    register(scaled)
"""


@pytest.mark.parametrize("samples", ["", "scaled.samples(lambda rng: [rng.normal(size=3)])"])
def test_a_rule_that_is_right_for_the_defaults_alone_is_found_out(tmp_path, samples):
    (tmp_path / "scaled.py").write_text(SCALED.replace("SAMPLES", samples))
    wrong = Plugins(["scaled.py"], folder=tmp_path, entry_points=False).get("ops", "scaled").target
    assert ensure_checked([wrong])[0].ok
    with pytest.raises(RuleError, match=r"the rule for 'x' is not the derivative with \{'by': 2\.0\}"):
        ensure_checked([(wrong, {"by": 2.0})])
    assert ensure_checked([(wrong, {"by": 1.0})])[0].ok


def test_every_sample_is_tried(tmp_path):
    samples = "scaled.samples(lambda rng: [rng.normal(size=3), (rng.normal(size=3), {'by': 2.0})])"
    (tmp_path / "scaled.py").write_text(SCALED.replace("SAMPLES", samples))
    wrong = Plugins(["scaled.py"], folder=tmp_path, entry_points=False).get("ops", "scaled").target
    assert not ensure_checked([wrong], allow_unchecked=True)[0].ok


def test_a_verdict_on_something_else_is_not_taken(bend, cache):
    ensure_checked([bend("2")])
    (kept,) = cache.iterdir()
    kept.rename(kept.with_name(f"{digest_of(bend('3'))}.json"))
    with pytest.raises(RuleError):
        ensure_checked([bend("3")])


UNREGISTERED = """
import numpy as np
from dataclasses import dataclass
from trainer import hookimpl, op

@op
def kept_back(x):
    return np.sin(x)
kept_back.defvjp(x=lambda dy, x: -dy * np.cos(x))

@dataclass(frozen=True)
class Wave:
    def init(self, rng, shape):
        return {}, shape
    def apply(self, parameters, x):
        return kept_back(x)

@hookimpl
def register_layers(register):
    register(Wave)
"""


def test_the_full_report_of_an_op_that_is_not_registered_has_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("wave.py").write_text(UNREGISTERED)
    rest = "cost: softmax_cross_entropy\nstep_size: 0.1\nepochs: 1\n"
    Path("wave.yaml").write_text(f"plugins: [wave.py]\ndataset: iris\nnetwork: [wave, dense: 3]\n{rest}")
    with pytest.raises(SystemExit):
        main(["run", "wave.yaml"])
    told = capsys.readouterr().err
    assert "op 'kept_back', from plugin 'wave.py', has not passed" in told
    command = re.search(r"the full report    trainer (ops check \S+)", told)
    assert command is not None
    with pytest.raises(SystemExit) as ended:
        main(command[1].split())
    assert ended.value.code == 1
    assert "kept_back fails" in capsys.readouterr().out
    advised(
        told,
        f"trainer ops check {Path('wave.py').resolve()}\n"
        "  train regardless   add --allow-unchecked; the run will record it",
    )
    with pytest.raises(SystemExit) as ended:
        main(["run", "wave.yaml", "--allow-unchecked", "-q"])
    assert ended.value.code == 0
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "environment.json").read_text())["unchecked_ops"]
