import os
from pathlib import Path

import pytest

from trainer.cli.paths import find_config
from trainer.errors import UsageError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("configs/mlp.yaml", "configs/moons.yaml", "configs/note.txt", "top.yml", ".hidden/mlp.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_taken_whatever_its_name(project: Path) -> None:
    assert find_config(Path("configs/note.txt")) == Path("configs/note.txt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("configs/mpl.yaml", "there is no file configs/mpl.yaml; did you mean configs/mlp.yaml?"),
        ("configs/mlp", "there is no file configs/mlp; did you mean configs/mlp.yaml?"),
        ("configs/mlp.yml", "there is no file configs/mlp.yml; did you mean configs/mlp.yaml?"),
        ("mlp.yaml", "there is no file mlp.yaml; did you mean configs/mlp.yaml?"),
        ("config/mlp.yaml", "there is no file config/mlp.yaml; did you mean configs/mlp.yaml?"),
        ("configs/zzz", "there is no file configs/zzz; configs nearby are configs/mlp.yaml, configs/moons.yaml"),
        ("qqq", "there is no file qqq; configs nearby are configs/mlp.yaml, configs/moons.yaml, top.yml"),
        ("configs", "configs is a folder; name a config file; in it are configs/mlp.yaml, configs/moons.yaml"),
        ("empty", "empty is a folder; name a config file; `trainer init` writes a first one"),
    ],
)
def test_anything_else_gets_the_config_that_was_meant(project: Path, given: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_config(Path(given))
    assert str(caught.value) == message


def test_a_broken_link_is_called_one(project: Path) -> None:
    os.symlink("gone.yaml", "link.yaml")
    with pytest.raises(UsageError) as caught:
        find_config(Path("link.yaml"))
    assert str(caught.value) == "link.yaml is a link to gone.yaml, which does not exist"
