"""A stranger's plugin, built and installed as pip does it, and used by a process that knows nothing of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hints import advised

PACKAGE = Path(__file__).with_name("example_package")
ROOT = Path(__file__).parents[2]

USE = """
import trainer
from trainer.plugins import shared

component = shared().get("ops", "bent_identity")
print(component.plugin, component.package, component.parameters[0].default)
print(trainer.grad(component.build(bend=0.5))(0.0))
print([problem for problem in shared().problems if problem.plugin == "bent_identity"])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs Python where the package is installed, and the folder it runs in."""
    folder = tmp_path_factory.mktemp("stranger")
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for file in PACKAGE.iterdir():
        if file.is_file():  # hatchling must not see, or leave, anything in this repository
            (source / file.name).write_bytes(file.read_bytes())
    options = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check --target"
    subprocess.run([sys.executable, "-m", "pip", "install", *options.split(), str(site), str(source)], check=True)
    paths = [str(site), str(ROOT), str(ROOT / "ops"), str(ROOT / "datasets")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=source, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout

    return run, source


def test_an_installed_package_brings_its_op_through_an_entry_point(installed):
    python, _ = installed
    assert python("-c", USE).splitlines() == ["bent_identity trainer-bent-identity 1.2.3 1.0", "1.0", "[]"]


NAMES = """
from trainer.errors import ConfigError
from trainer.config import load
from trainer.plugins import shared
import yaml
print(shared().get("ops", "bent_identity").target.origin)
config = yaml.safe_load(open("example.yaml"))
try:
    load({**config, "plugins": ["trainer-bent-identity"]})
except ConfigError as error:
    print(str(error).splitlines()[0].partition(": ")[2])
load(config)
"""


def test_it_has_one_name_wherever_it_is_named(installed):
    python, _ = installed
    origin, message = python("-c", NAMES).splitlines()
    assert origin == "plugin 'bent_identity' (trainer-bent-identity 1.2.3)"
    assert message.startswith("plugin module 'trainer-bent-identity' cannot be found; ")
    advised(message, "the plugin 'bent_identity' is installed and needs no listing: leave it out")
    command = ["-c", "from trainer.cli import main; main()"]
    shown = {
        python(*command, "plugins", n) for n in ("bent_identity", "trainer-bent-identity", "trainer_bent_identity")
    }
    assert len(shown) == 1
    assert shown.pop().startswith("bent_identity (trainer-bent-identity 1.2.3)\n")


def test_one_config_uses_everything_that_the_package_brings(installed):
    python, folder = installed
    command = ["-c", "from trainer.cli import main; main()"]
    printed = python(*command, "run", "example.yaml", "--out", "runs")
    (run,) = (folder / "runs").iterdir()
    status = json.loads((run / "status.json").read_text())
    assert status["status"] == "finished"
    assert status["reason"] == "good enough"
    assert "good enough" in printed
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    assert "train_share_within_0.05" in header
    assert float(dict(zip(header.split(","), rows[-1].split(","), strict=True))["train_loss"]) < 0.001
    assert (folder / "journal.txt").read_text().splitlines() == [f"{epoch} 65" for epoch in range(1, len(rows) + 1)]
    environment = json.loads((run / "environment.json").read_text())
    assert environment["plugins"]["bent_identity"] == "trainer-bent-identity 1.2.3"
    assert python(*command, "count", "example.yaml") == "65\n"
    assert "The gradient is right" in python(*command, "validate", "example.yaml", "--deep")
