"""The house has one direction: what stands lower never imports what stands higher, and no two modules go in a circle.

For the direction every import counts: at the top of a module, within a function, and under TYPE_CHECKING, for whoever
reads a module has to know what it names. For circles those count that run when the module is loaded: a type may name
the type that names it, and `Tensor.backward` finds the sweep when it is called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trainer

HOUSE = Path(trainer.__file__).parent

# From the ground up. Rooms of one line do not import one another, except on the ground.
LAYERS = (
    ("errors", "files", "limits", "rng", "types", "wording"),
    ("engine",),
    ("compiler",),
    ("plugins", "nn", "metrics", "optimizers"),
    ("data",),
    ("checker",),
    ("training",),
    ("config",),
    ("runs",),
    ("explaining",),
    ("experiment",),
    ("estimators", "export", "sweeps", "service"),
    ("cli",),
    ("builtins",),
)
FLOOR = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
DOORS = ("", "__main__")  # the package itself, whose names lead to every room, and `python -m`


class Arrow(NamedTuple):
    importer: str
    imported: str
    loads: bool  # runs when the importer is loaded

    @property
    def floors(self) -> tuple[int, int]:
        return FLOOR[room(self.importer)], FLOOR[room(self.imported)]


def room(module: str) -> str:
    """The folder or loose file of `trainer` that a module stands in."""
    return module.partition(".")[2].partition(".")[0]


def arrows() -> Iterator[Arrow]:
    files = {".".join(("trainer", *p.relative_to(HOUSE).with_suffix("").parts)): p for p in HOUSE.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        later = {node for each in ast.walk(tree) if _runs_later(each) for node in ast.walk(each)}
        for node in ast.walk(tree):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name} imports relatively, which no other module does"
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                imported = [each if each in modules else str(node.module) for each in inner]
            yield from (Arrow(name, each, node not in later) for each in imported if each in modules)


def _runs_later(node: ast.AST) -> bool:
    """Functions run when they are called, and blocks for type checkers never."""
    guard = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return guard or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


ARROWS = sorted(set(arrows()))


INSIDE = [arrow for arrow in ARROWS if room(arrow.importer) not in DOORS and room(arrow.imported) not in DOORS]


def test_every_module_has_a_floor():
    assert {room(name) for arrow in ARROWS for name in arrow[:2]} - set(DOORS) <= set(FLOOR)


def test_no_arrow_points_upwards():
    assert [arrow for arrow in INSIDE if arrow.floors[0] < arrow.floors[1]] == []


def test_rooms_of_one_floor_keep_apart():
    assert [a for a in INSIDE if a.floors[0] == a.floors[1] > 0 and room(a.importer) != room(a.imported)] == []


def test_no_modules_import_one_another_in_a_circle():
    imports: dict[str, set[str]] = {}
    for arrow in ARROWS:
        if arrow.loads and arrow.importer != arrow.imported and room(arrow.importer) not in DOORS:
            imports.setdefault(arrow.importer, set()).add(arrow.imported)
    while leaves := [module for module, names in imports.items() if not names & imports.keys()]:
        for module in leaves:
            del imports[module]
    assert imports == {}, "these import one another, or what does"


def test_few_files_lie_loose():
    loose = {path.stem for path in HOUSE.glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 7, sorted(loose)


def test_a_command_is_a_file_of_its_name():
    from trainer.cli.commands import COMMANDS

    files = [path.stem.replace("_", "-") for path in HOUSE.joinpath("cli", "commands").glob("[!_]*.py")]
    assert sorted(files) == sorted(COMMANDS)
