"""`trainer help`: a key of a config, or all."""

from __future__ import annotations

import pytest

from trainer.cli import main


def run(capsys, monkeypatch, *arguments, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as raised:
        main(["help", *arguments])
    out, err = capsys.readouterr()
    return raised.value.code or 0, out, err


def test_a_key_with_all_that_there_is_to_say(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "stop.patience")
    assert code == 0
    assert out.splitlines() == [
        "stop.patience",
        "  Epochs in a row without a better number after which training ends.",
        "  takes      a whole number of at least 1",
        "  default    none",
    ]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_every_line_fits(capsys, monkeypatch, columns):
    _, out, _ = run(capsys, monkeypatch, "dataset", columns=columns)
    assert max(map(len, out.splitlines())) <= columns


def test_all_of_them(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch)
    assert code == 0
    assert out.splitlines()[0].split() == ["key", "default", "takes"]
    assert "stop.patience" in out


def test_what_can_be_named_is_listed_elsewhere(capsys, monkeypatch):
    code, _, err = run(capsys, monkeypatch, "adam")
    assert (code, err) == (
        2,
        "error: 'adam' is no key of a config, and can be named in one: trainer list optimizers adam\n",
    )


def test_the_nearest_key_is_named(capsys, monkeypatch):
    assert (
        run(capsys, monkeypatch, "batchsiz")[2] == "error: a config has no key 'batchsiz'; did you mean 'batch_size'?\n"
    )
