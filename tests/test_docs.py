"""The pages under docs/ are about the project as it is."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from trainer.checker.library import registered_ops
from trainer.engine.rules import Rule
from trainer.plugins import shared

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[object]:
    """Each block of Python or YAML of each page, with the text that stands right behind it, or None."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        found = list(BLOCK.finditer(text))
        for block, after in zip_longest(found, found[1:]):
            language, code = block.groups()
            shown = after is not None and after[1] == "text" and not text[block.end() : after.start()].strip()
            if language in ("python", "yaml"):
                title = f"{page.stem}, line {text[: block.start()].count(chr(10)) + 1}"
                yield pytest.param(page, language, code, after[2] if after and shown else None, id=title)


@pytest.mark.parametrize(("page", "language", "code", "printed"), list(blocks()))
def test_a_block_of_a_page_runs_and_prints_what_stands_behind_it(
    page: Path, language: str, code: str, printed: str | None, tmp_path: Path
) -> None:
    for file in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if named := re.match(r"# (\w+\.py)\n", file[2]):
            (tmp_path / named[1]).write_text(file[2], encoding="utf-8")
    path = tmp_path / f"block.{'py' if language == 'python' else 'yaml'}"
    path.write_text(code, encoding="utf-8")
    command = [sys.executable, *(["-m", "trainer", "run"] if language == "yaml" else []), path.name]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    if printed is not None:
        assert result.stdout == printed


def test_a_block_is_of_a_language_that_is_run_or_of_one_that_is_shown():
    """Else a block with a slip in its first line would run no more, and nobody would notice."""
    shown = {"text", "sh", "toml", "nginx", "{toctree}", "{eval-rst}"}
    for page in (ROOT / "docs").rglob("*.md"):
        opened = re.findall(r"^ *```(.*)\n(?:.*\n)*?^ *```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert set(opened) <= {"python", "yaml", *shown}, page


def test_the_table_of_ops_lists_what_ships_and_what_its_rules_keep():
    text = (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
    rows = {cells[1]: cells[2:] for line in text.splitlines() if (cells := [c.strip() for c in line.split("|")])[1:2]}
    ours = {n: c for n, c in registered_ops(shared()).items() if (c.package or "").startswith("tape-trainer ")}
    assert set(rows) - {"op", "---"} == set(ours), "run python docs/make_ops_page.py"
    for name, component in ours.items():
        op = component.target
        assert rows[name][0] == ", ".join(op.inputs)
        kept = {n: r.residuals for n in op.inputs if isinstance(r := op.rules.get(n), Rule) and r.residuals}
        assert rows[name][2] == "; ".join(f"{n}: {', '.join(values)}" for n, values in kept.items())
        assert "fails" not in rows[name][-2]


def test_the_table_of_numpys_functions_is_that_of_the_dispatch():
    script = runpy.run_path(str(ROOT / "docs" / "make_numpy_page.py"))
    text = (ROOT / "docs" / "numpy.md").read_text(encoding="utf-8")
    assert text == script["page"](), "run python docs/make_numpy_page.py"
    # What is refused has its reason there, but for a function that somebody could still write a rule for.
    assert re.findall(r"`(.*)` \| refused: nobody", text) == ["np.polydiv"]


def test_the_table_of_keys_is_that_of_the_schema():
    script = runpy.run_path(str(ROOT / "docs" / "make_config_page.py"))
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert text == script["page"](script["entries"]()), "run python docs/make_config_page.py"


def test_at_least_360_ops_are_differentiable():
    assert sum(bool(c.target.differentiable) for c in registered_ops(shared()).values()) >= 360


def test_the_table_of_edges_names_tests_that_exist():
    text = (ROOT / "docs" / "edges.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`(test_\w+\.py)`", text)):
        assert list((ROOT / "tests").rglob(name)), name


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```text\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PATHS = [
    name
    for name in re.findall(r"`([^`\n]+)`", FENCED.sub("", CONTRIBUTING))
    if re.fullmatch(r"[\w./]*(/|\.py|\.md|/run)(: \w+)?", name) and "NAME" not in name and name != "__init__.py"
]
# In the pictures a folder ends with a stroke, and a module of the walk has its room before it.
HOUSE = CONTRIBUTING[CONTRIBUTING.index("## The house") :]
DRAWN = {name for block in FENCED.findall(HOUSE) for name in re.findall(r"\b[a-z]+/[a-z_]*", block)}


@pytest.mark.parametrize("named", dict.fromkeys(PATHS))
def test_a_path_that_contributing_names_is_there(named: str) -> None:
    path, _, name = named.partition(": ")
    places = [folder / path for folder in (ROOT, ROOT / "trainer") if (folder / path).exists()]
    assert places, f"CONTRIBUTING.md names {path}, and there is none"
    assert not name or re.search(rf"\b(def|class) {name}\b", places[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize("named", sorted(DRAWN))
def test_a_room_that_contributing_draws_is_there(named: str) -> None:
    rooms = [ROOT / "trainer", *(each for each in (ROOT / "trainer").iterdir() if each.is_dir())]
    assert any((room / named).is_dir() or (room / f"{named}.py").is_file() for room in rooms), named
