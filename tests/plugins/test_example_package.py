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

component = shared().get("ops", "softsign")
print(component.plugin, component.package, component.parameters[0].default)
print(trainer.grad(component.build(sharpness=2.0))(0.0))
print([problem for problem in shared().problems if problem.plugin == "softsign"])
"""


def test_an_installed_package_brings_its_op_through_an_entry_point(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for file in PACKAGE.iterdir():
        if file.is_file():  # hatchling must not see, or leave, anything in this repository
            (source / file.name).write_bytes(file.read_bytes())
    install = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(site),
        str(source),
    ]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *install], check=True)
    paths = [str(site), str(ROOT), str(ROOT / "ops"), str(ROOT / "datasets")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["softsign trainer-softsign 1.2.3 1.0", "2.0", "[]"]
