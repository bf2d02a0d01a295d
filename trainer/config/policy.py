"""What a config may ask for that somebody else has posted: decided on its text, before anything is imported or opened.

Whoever writes a config of their own may load any plugin and read any file: it is their computer. A service runs the
configs of others, so it says what there is to be had, and the rest is refused at its line, like any other mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config.document import Node
from trainer.config.source import Problems, Span
from trainer.wording import did_you_mean

__all__ = ["Policy"]

MANY = 10  # names; a message does not list more
UPLOAD, RUN = "upload:", "run:"
PARTS = ("validation_path", "test_path")  # of `dataset`, beside its path


@dataclass(frozen=True)
class Policy:
    """What a posted config may name.

    Args:
        plugins: modules that `plugins:` may list; a file never.
        datasets: names of data sets.
        uploads: data files that were uploaded, by their id: `dataset: upload:ID`.
        runs: folders of runs whose parameters may be read, by their id: `start_from: run:ID`.
        threads: the most that `compute.threads` may be.
    """

    plugins: frozenset[str] = frozenset()
    datasets: frozenset[str] = frozenset()
    uploads: Mapping[str, Path] = field(default_factory=dict)
    runs: Mapping[str, Path] = field(default_factory=dict)
    threads: int = 1

    def plugin(self, node: Node, where: Span, problems: Problems) -> bool:
        """Whether a plugin that is listed there may be loaded; if not, that is a problem."""
        if node.value in self.plugins:
            return True
        hint = _offered("plugins", self.plugins)
        problems.add(where, f"the plugin '{node.value}' is not allowed in a config that is posted; {hint}")
        return False

    def apply(self, root: Node, problems: Problems) -> set[str]:
        """Put real paths where ids stand, and note what is not allowed.

        Gives the keys that are refused, of which nothing may be read. Overrides are in the tree already, and the data
        set is spelt with a name or a path.
        """
        items: dict[str, Node] = root.value
        refused = set()
        if "dataset" in items and not self._dataset(items["dataset"], problems):
            refused.add("dataset")
        if "start_from" in items and not self._start(items["start_from"], problems):
            refused.add("start_from")
        store = _inner(items.get("log"), "mlflow")
        if store is not None and store.value is not None:
            problems.add(store.span, "log.mlflow names a store that the server would write to, and none is offered")
            refused.add("log")
        trackers = _inner(items.get("log"), "trackers")
        if trackers is not None and trackers.value:
            problems.add(trackers.span, "log.trackers would take the numbers of a run elsewhere, and none is offered")
            refused.add("log")
        threads = _inner(items.get("compute"), "threads")
        if threads is not None and type(threads.value) is int and threads.value > self.threads:
            text = f"compute.threads is at most {self.threads} here, found {threads.value}"
            problems.add(threads.span, text)
            refused.add("compute")
        return refused

    def _dataset(self, node: Node, problems: Problems) -> bool:
        beside = [self._part(key, part, problems) for key in PARTS if (part := _inner(node, key)) is not None]
        return self._source(node, problems) and all(beside)

    def _part(self, key: str, node: Node, problems: Problems) -> bool:
        """Rows for validation or the test in a file of their own."""
        if not isinstance(node.value, str):
            return True
        if node.value.startswith(UPLOAD):
            return self._found(f"dataset.{key}", node, UPLOAD, self.uploads, problems)
        what = f"dataset.{key} names a file of the server's, '{node.value}'"
        problems.add(node.span, f"{what}; upload the data, and write {UPLOAD}ID with the id that comes back")
        return False

    def _source(self, node: Node, problems: Problems) -> bool:
        name, path = _inner(node, "name"), _inner(node, "path")
        given = path if path is not None else name
        if given is None or not isinstance(given.value, str):
            return True  # no mapping, or one without the two: it names nothing that could be opened
        if name is not None and path is not None:
            return True  # it is refused as it is
        if given.value.startswith(UPLOAD):
            return self._found("dataset", given, UPLOAD, self.uploads, problems) and _moved(node, given)
        if path is not None or any(mark in given.value for mark in "/\\:~"):
            what = f"dataset names a file of the server's, '{given.value}'"
            problems.add(given.span, f"{what}; upload the data, and write {UPLOAD}ID with the id that comes back")
            return False
        if given.value not in self.datasets:
            hint = did_you_mean(given.value, self.datasets, _offered("data sets", self.datasets))
            problems.add(given.span, f"the data set '{given.value}' is not offered here; {hint}")
            return False
        return True

    def _start(self, node: Node, problems: Problems) -> bool:
        path = node if isinstance(node.value, str) else _inner(node, "path")
        if path is None or not isinstance(path.value, str):
            return True
        if path.value.startswith(RUN):
            return self._found("start_from", path, RUN, self.runs, problems)
        what = f"start_from names a file of the server's, '{path.value}'"
        problems.add(path.span, f"{what}; write {RUN}ID, with the id of a run that is here")
        return False

    def _found(self, key: str, node: Node, prefix: str, known: Mapping[str, Path], problems: Problems) -> bool:
        found = known.get(node.value.removeprefix(prefix))
        if found is None:
            problems.add(node.span, f"{key}: there is no '{node.value}' that you may read")
            return False
        node.value = str(found)
        return True


def _inner(node: Node | None, key: str) -> Node | None:
    found: Any = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    return found if isinstance(found, Node) else None


def _moved(node: Node, given: Node) -> bool:
    """What stands under `name` is a path."""
    if node.value.get("name") is given:
        node.value = {"path": given, **{key: item for key, item in node.value.items() if key != "name"}}
    return True


def _offered(what: str, names: frozenset[str]) -> str:
    some = f"{len(names)} {what}, such as" if len(names) > MANY else f"the {what}"
    return (
        f"there are {some} {', '.join(sorted(names)[:MANY])}" if names else f"there are no {what} to choose from here"
    )
