"""`trainer init`: a first config, and beside it on request a first operation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.cli.commands.init import write_starter
from trainer.errors import UsageError


def test_a_folder_is_made_and_gets_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_starter(tmp_path / "new" / "project")
    config = tmp_path / "new" / "project" / "mlp.yaml"
    assert config.is_file()
    assert capsys.readouterr().out == f"wrote {config}\nnext: trainer run {config}\n"
    assert list(config.parent.iterdir()) == [config]


def test_a_file_is_written_under_the_name_that_was_given(tmp_path: Path) -> None:
    write_starter(tmp_path / "first.yml", with_plugin=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bent.py", "first.yml"]
    assert "trainer run " + str(tmp_path / "first.yml") in (tmp_path / "first.yml").read_text()


@pytest.mark.parametrize("existing", ["mlp.yaml", "bent.py"])
def test_what_exists_stays_and_then_nothing_is_written(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_starter(tmp_path, with_plugin=True)
    stem = existing.partition(".")[0]
    assert str(caught.value) == (
        f"{tmp_path / existing} exists already and stays as it is; name another: trainer init {tmp_path / stem}-2.yaml"
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_that_is_no_config_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError) as caught:
        write_starter(tmp_path / "notes.txt")
    assert str(caught.value) == (
        f"{tmp_path}/notes.txt is a file and no folder; a config ends in .yaml: trainer init {tmp_path}/notes.yaml"
    )


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        write_starter(tmp_path / "file" / "mlp.yaml")
    assert str(caught.value) == f"cannot write {tmp_path}/file/mlp.yaml: File exists ({tmp_path}/file)"


@pytest.mark.parametrize("with_plugin", [False, True])
def test_what_init_writes_runs(trainer: Callable[..., Any], folder: Path, with_plugin: bool) -> None:
    assert trainer("init", "new", *(["--plugin"] if with_plugin else [])).code == 0
    done = trainer("run", "new/mlp.yaml", "epochs=2", "-q")
    assert (done.code, done.err) == (0, "")
    again = trainer("init", "new")
    assert again.code == 2
    assert again.err == (
        "error: new/mlp.yaml exists already and stays as it is; name another: trainer init new/mlp-2.yaml\n"
    )
