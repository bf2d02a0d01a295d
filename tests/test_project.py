"""What the project promises about itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trainer
import trainer_datasets
import trainer_ops
from trainer.compiler.executors import native_available

ROOT = Path(__file__).parent.parent
PACKAGES = (trainer, trainer_ops, trainer_datasets)
# Without a C compiler there is no machine, and nothing imports the modules that drive it.
DRIVES_THE_MACHINE = {
    f"trainer.compiler.machine.{name}" for name in ("executor", "instructions", "loop", "lowering", "lowering_chain")
}
ABSENT = set() if native_available() else DRIVES_THE_MACHINE
MODULES = sorted(
    m.name
    for p in PACKAGES
    for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")
    if not m.name.endswith("__main__") and m.name not in ABSENT
)
FOLDERS = ("trainer", "ops", "datasets", "tests", "tools", "benchmarks")
SOURCES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
C_SOURCES = sorted(p for end in ("c", "h") for p in (ROOT / "trainer").rglob(f"*.{end}"))
TOOLS = sorted((ROOT / "tools").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_all_is_true_and_every_module_says_what_it_is_for(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public!r}, which does not exist"


@pytest.mark.parametrize("name", sorted({name.rpartition(".")[0] for name in MODULES}))
def test_no_package_has_a_module_and_another_thing_of_one_name(name):
    """Which of the two `package.name` is would depend on what was imported before."""
    package = importlib.import_module(name)
    public = {*getattr(package, "__all__", ()), *(known for known in vars(package) if not known.startswith("_"))}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in public:
            assert inspect.ismodule(getattr(package, module.name)), f"{name}.{module.name}"


def test_the_public_names_load():
    for name in trainer.__all__:
        assert getattr(trainer, name) is not None
    with pytest.raises(AttributeError, match="module 'trainer' has no attribute 'gradd'"):
        _ = trainer.gradd


@pytest.mark.parametrize("path", [*SOURCES, *C_SOURCES], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_drifts_past_500_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_the_core_names_no_op_and_no_data_set():
    for path in (ROOT / "trainer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] in ("trainer_ops", "trainer_datasets") for n in names), path


def test_the_source_roots_are_no_packages():
    for root in ("ops", "datasets", "configs", "tests", "tools"):
        assert not (ROOT / root / "__init__.py").exists()


def test_no_pickle_no_eval_no_todo():
    banned = re.compile(r"\b(?:import pickle|pickle\.|eval\(|exec\(|TODO|FIXME)")
    for path in SOURCES:
        if ROOT / "tests" not in path.parents:  # tests show that pickles are refused
            assert banned.findall(path.read_text(encoding="utf-8")) == [], path


def test_importing_the_package_loads_only_numpy():
    code = (
        "import sys, trainer; from trainer import grad, op, Tensor\n"
        "heavy = {'typer', 'pydantic', 'yaml', 'pluggy', 'sklearn', 'scipy', 'matplotlib', 'rich', 'safetensors'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert trainer.__version__ == version("tape-trainer")


TESTS = [path for path in SOURCES if ROOT / "tests" in path.parents]


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_test_reads_a_clock_or_leaves_a_process_running(path):
    """A time says what else the computer had to do: see benchmarks/, or count, as the fixture `calls` does."""
    clocks = {"time": {"time", "monotonic", "perf_counter", "process_time", "thread_time"}, "timeit": {"timeit"}}
    banned = {f"{module}.{name}" for module, names in clocks.items() for name in names}
    if path != ROOT / "tests" / "conftest.py":
        banned.add("subprocess.Popen")  # the fixture `start` ends what it starts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used |= {f"{n.module}.{a.name}" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    found = used & {*banned, *(f"{name}_ns" for name in banned)}
    assert not found


@pytest.mark.parametrize("tool", TOOLS, ids=lambda p: p.stem)
def test_every_tool_says_what_it_does_and_stands_on_the_page(tool):
    done = subprocess.run([sys.executable, tool, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {tool.name} [-h]")
    assert f"`{tool.name}`" in (ROOT / "tools" / "README.md").read_text(encoding="utf-8")
