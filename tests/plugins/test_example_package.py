"""A stranger's plugin, built and installed as pip does it, and used by a process that knows nothing of it."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_an_installed_package_brings_its_op_through_an_entry_point(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for file in PACKAGE.iterdir():
        if file.is_file():  # hatchling must not see, or leave, anything in this repository
            (source / file.name).write_bytes(file.read_bytes())
    options = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check --target"
    subprocess.run([sys.executable, "-m", "pip", "install", *options.split(), str(site), str(source)], check=True)
    paths = [str(site), str(ROOT), str(ROOT / "ops"), str(ROOT / "datasets")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["bent_identity trainer-bent-identity 1.2.3 1.0", "1.0", "[]"]
