"""A config that somebody else has posted gets what is offered, and nothing else is imported or opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainer.config import load
from trainer.config.policy import Policy
from trainer.errors import ConfigError
from trainer.plugins import Plugins, shared

GOOD = """\
dataset: {name: moons, rows: 100}
network: [dense: 2]
cost: softmax_cross_entropy
step_size: 0.1
"""
BOMB = "\n".join(
    f"{new}: &{new} [{','.join(10 * [old])}]" for new, old in zip("abcd", ["1", "*a", "*b", "*c"], strict=True)
)
OFFERED = Policy(datasets=frozenset({"moons", "iris"}))


def refused(text: str, *overrides: str, policy: Policy = OFFERED) -> list[tuple[int | None, int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        load("posted.yaml", overrides, shared(), text=text, policy=policy)
    assert str(caught.value).startswith(("posted.yaml", "command line"))
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def test_what_is_offered_loads_from_text_alone():
    loaded = load("posted.yaml", ["step_size=0.2"], shared(), text=GOOD, policy=OFFERED)
    assert loaded.config.step_size == 0.2
    assert loaded.config.dataset.name == "moons"
    assert loaded.text == GOOD


def test_an_upload_and_a_run_are_known_by_their_ids(tmp_path):
    table, run = tmp_path / "a1.csv", tmp_path / "runs" / "01J"
    table.write_text("x,y\n1,2\n")
    policy = Policy(uploads={"a1": table}, runs={"01J": run})
    rest = GOOD.partition("\n")[2]
    for spelt in ("upload:a1", "{name: upload:a1}", "{path: upload:a1, target: y}"):
        loaded = load("posted.yaml", (), shared(), text=f"dataset: {spelt}\nstart_from: run:01J\n{rest}", policy=policy)
        assert loaded.config.dataset.path == str(table)
        assert loaded.config.start_from is not None
        assert loaded.config.start_from.path == str(run)
    assert refused(f"dataset: upload:b2\nstart_from: {{path: run:01K}}\n{rest}", policy=policy) == [
        (1, 10, "dataset: there is no 'upload:b2' that you may read"),
        (2, 20, "start_from: there is no 'run:01K' that you may read"),
    ]


def test_a_name_that_is_not_offered_is_refused_with_those_that_are():
    assert refused(GOOD.replace("moons", "openml")) == [
        (1, 17, "the data set 'openml' is not offered here; there are the data sets iris, moons")
    ]
    assert refused(GOOD.replace("{name: moons, rows: 100}", "iriss")) == [
        (1, 10, "the data set 'iriss' is not offered here; did you mean 'iris'?")
    ]
    assert refused(GOOD.replace("moons", "iris"), policy=Policy())[0][2].endswith("no data sets to choose from here")


@pytest.mark.parametrize(
    "spelt",
    [
        "/etc/passwd", "{path: /etc/passwd}", "../x.csv", "{path: ../x.csv}", "%2e%2e/x.csv", "https://example.org/x.csv",
        "{name: /etc/passwd}", "{name: ../x}", "secret", "{secret: {}}", "{openml: iris}", "./", "~/x.csv",
        "'x\\0.csv'", '"x\\0.csv"', "{path: 'runs/../../x.npz'}", "data\\x.csv", "upload:", "upload:../x.csv", "file:///etc/passwd",
        "{path: upload:../../etc/passwd}", "run:01J", "&a {path: /etc/passwd}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_override", [False, True])
def test_no_path_and_no_address_is_read(spelt, as_override, tmp_path, monkeypatch):
    """Neither is it said whether there is such a file."""
    for name in ("secret.csv", "x.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    shared().load_ops()
    opened = []
    monkeypatch.setattr(Path, "is_file", lambda self: opened.append(self))
    monkeypatch.setattr(Path, "is_dir", lambda self: opened.append(self))
    monkeypatch.setattr(Path, "exists", lambda self: opened.append(self))
    rest = GOOD.partition("\n")[2]
    problems = refused(GOOD, f"dataset={spelt}") if as_override else refused(f"dataset: {spelt}\n{rest}")
    assert len(problems) == 1
    assert opened == []
    assert problems[0][0] == (None if as_override else 1)


@pytest.mark.parametrize(
    "spelt", ["/etc/passwd", "../run", "{path: /etc}", "runs/last", "'run:'", "run:../x", "RUN:01J"]
)
def test_parameters_come_from_runs_that_are_here(spelt):
    ((line, _, message),) = refused(f"{GOOD}start_from: {spelt}\n")
    assert line == 5
    assert message.startswith("start_from")


def test_plugins_are_refused_before_they_are_imported(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    (tmp_path / "evil_plugin.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = f"plugins: [evil_plugin.py, evil_plugin, {tmp_path}/evil_plugin.py]\n{GOOD}"
    assert [(line, column) for line, column, _ in refused(text)] == [(1, 11), (1, 27), (1, 40)]
    assert refused(GOOD, "plugins=[evil_plugin]")[0][2] == (
        "the plugin 'evil_plugin' is not allowed in a config that is posted; there are no plugins to choose from here"
    )
    for spelt in ("plugin: [evil_plugin]", "plugins: evil_plugin", "plugins: {a: evil_plugin}"):
        assert refused(f"{spelt}\n{GOOD}")
    assert not marker.exists()
    assert "evil_plugin" not in sys.modules


def test_a_plugin_that_is_offered_loads(tmp_path, monkeypatch):
    (tmp_path / "offered_plugin.py").write_text(
        "from trainer import hookimpl\n\n\ndef half(predictions, targets):\n    return 0.5\n\n\n"
        "@hookimpl\ndef register_metrics(register):\n    register(half)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    policy = Policy(frozenset({"offered_plugin"}), OFFERED.datasets)
    text = f"plugins: [offered_plugin]\nmetrics: [half]\n{GOOD}"
    loaded = load("posted.yaml", (), Plugins(), text=text, policy=policy)
    assert loaded.config.metrics is not None
    assert loaded.config.metrics[0].name == "half"
    assert refused(text.replace("offered", "other"), policy=policy)[0][2].endswith("the plugins offered_plugin")


def test_everything_that_is_refused_is_said_at_once():
    text = "dataset: /etc/passwd\nnetwork: [dens: 2]\ncost: nonsense\nstep_size: -1\ncompute: {threads: 64}\n"
    assert [line for line, *_ in refused(f"plugins: [x]\n{text}start_from: /root\n")] == [1, 2, 5, 6, 7]
    assert refused(f"{GOOD}compute: {{threads: 64}}\n") == [(5, 20, "compute.threads is at most 1 here, found 64")]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: " + "[" * 60, 1, "nested more than 50 deep"),
        ("a: " + "x" * 70_000, None, "a config has at most 65,536"),
        (BOMB, 4, "makes more than 10,000 values"),
        ("a: &a {b: 1}\n<<: *a", 2, "merge keys (<<) are not supported"),
        ("a: !!python/name:os.system x", 1, "tags are not supported"),
        ("a: !!python/object/apply:os.getcwd []", 1, "tags are not supported"),
    ],
)  # fmt: skip
def test_what_would_cost_without_bound_is_refused_at_its_line(text, line, says):
    problems = refused(text)
    assert any(found == line and says in message for found, _, message in problems), problems


@pytest.mark.parametrize("part", ["validation_path", "test_path"])
def test_a_part_in_a_file_of_its_own_is_an_upload_too(part, tmp_path):
    rest = GOOD.partition("\n")[2]
    (tmp_path / "a1.csv").write_text("x,y\n1,2\n")
    policy = Policy(uploads={"a1": tmp_path / "a1.csv", "b1": tmp_path / "a1.csv"})
    loaded = load(
        "posted.yaml", (), shared(), text=f"dataset: {{path: upload:a1, {part}: upload:b1}}\n{rest}", policy=policy
    )
    assert getattr(loaded.config.dataset, part) == str(tmp_path / "a1.csv")
    for spelt in (str(tmp_path / "a1.csv"), "../a1.csv", "~/a1.csv", "upload:c1", "upload:../a1"):
        (problem,) = refused(f"dataset: {{path: upload:a1, {part}: {spelt}}}\n{rest}", policy=policy)
        assert problem[2].startswith((f"dataset.{part} names a file of the server's", f"dataset.{part}: there is no"))
        assert refused(f"dataset: upload:a1\n{rest}", f"dataset.{part}={spelt}", policy=policy)
