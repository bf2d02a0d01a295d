import json
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from trainer.runs import describe_environment
from trainer.runs.environment import git_revision
from trainer.training.threads import pinned


def test_the_environment_is_plain_values_with_what_decides_a_result() -> None:
    with pinned(1) as threads:
        about = describe_environment(seed=5, plugins={"my_ops": "my-package 1.2", "swish": None}, threads=threads)
    assert json.loads(json.dumps(about)) == about
    assert about["seed"] == 5
    assert about["python"]["version"] == platform.python_version()
    assert about["numpy"]["version"] == np.__version__
    assert about["plugins"] == {"my_ops": "my-package 1.2", "swish": None}
    assert about["threads"]["threads"] == 1
    assert about["cpu"]["usable_cores"] >= 1
    assert set(about["packages"]) >= {"tape-trainer", "numpy"}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_revision_is_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        command = ("git", "-C", str(tmp_path), *identity, *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_revision(tmp_path) is None
    git("init", "--quiet")
    assert git_revision(tmp_path) is None
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "first")
    git("tag", "v1")
    commit = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path) == f"{commit}-dirty"
