"""From names in a config to the components of the plugins, with their options validated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trainer.config.document import Node
from trainer.config.names import KEYS, NAMES, unknown
from trainer.config.schema import Choice, DatasetConfig
from trainer.config.source import Problems, Span
from trainer.config.values import INVALID, check, either, found
from trainer.data.load import READERS
from trainer.errors import nearest
from trainer.plugins import Component, Parameter, Plugins
from trainer.plugins.registry import noun

__all__ = ["SECTIONS", "Chooser", "file_reader", "is_layer", "rename_keys", "spread_dataset"]

# The kinds that each key of a config chooses from; of two components with one name the first kind counts.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "network": ("layers", "ops"),
    "cost": ("costs",),
    "optimizer": ("optimizers",),
    "step_size": ("schedules",),
    "metrics": ("metrics",),
    "dataset": ("datasets",),
}
_SPLIT = ("test_fraction", "standardize", "one_hot", "stratify")


class Chooser:
    """Looks components up and validates their options.

    Args:
        plugins: where the components are.
        problems: where what is wrong goes.
        incomplete: whether a plugin of the config failed to load; then a name that is unknown may have been its, and
            nothing is said of it.
    """

    def __init__(self, plugins: Plugins, problems: Problems, *, incomplete: bool = False) -> None:
        self.plugins = plugins
        self.problems = problems
        self.incomplete = incomplete

    def component(self, section: str, name: str) -> Component | None:
        """The component of that name that a section of the config would choose, or None."""
        kinds = (self.plugins.all(kind) for kind in SECTIONS[section])
        return next((components[name] for components in kinds if name in components), None)

    def choose(self, section: str, node: Node) -> Choice | None:
        """The choice that a node spells in one of the three ways; None after a problem."""
        spelt = self._spelling(section, node)
        if spelt is None:
            return None
        name, span, given = spelt
        component = self.component(section, name)
        if component is None:
            self._add_unknown(section, name, span, given)
            return None
        if component.kind == "ops" and not self._fits_network(component, span):
            return None
        options = self._options(component, span, given)
        return None if options is None else Choice(component, options)

    def dataset(self, node: Node, folder: Path) -> DatasetConfig | None:
        """The data set section, after `spread_dataset`; relative paths of the file start at `folder`."""
        items = dict(node.value)
        component, span, plain = self._data_source(node, items, folder)
        if component is None:
            return None
        parameters = {p.name: p for p in component.parameters}
        rename_keys(Node(items, node.span), [*_SPLIT, *parameters], self.problems, f"of {_called(component)}")
        options = {key: items.pop(key) for key in list(items) if key in parameters}
        values = self._values(component, span, options)
        common = {key: self._common(key, item) for key, item in items.items()}
        if values is None or any(value is INVALID for value in common.values()):
            return None
        return DatasetConfig.model_validate({"component": component, "options": values, **plain, **common})

    def _common(self, key: str, node: Node) -> Any:
        annotation = DatasetConfig.model_fields[key].rebuild_annotation()
        return check(f"dataset.{key}", annotation, node, self.problems)

    def _data_source(
        self, node: Node, items: dict[str, Node], folder: Path
    ) -> tuple[Component | None, Span, dict[str, str]]:
        """What makes the data: a component, or a file's reader seen as one. Takes `name` or `path` out of `items`."""
        name, path = items.pop("name", None), items.pop("path", None)
        if name is not None and path is not None:
            self.problems.add(path.key_span or path.span, "dataset has a name and a path; keep one of the two")
        elif path is not None:
            if check("dataset.path", str, path, self.problems) is not INVALID:
                return self._reader(path, folder), path.span, {"path": str(folder / path.value)}
        elif name is None:
            known = ", ".join(self.plugins.names("datasets"))
            self.problems.add(node.name_span, f"dataset needs a name or a path; there are: {known or 'none'}")
        elif check("dataset.name", str, name, self.problems) is not INVALID:
            component = self.component("dataset", name.value)
            if component is None:
                self._add_unknown("dataset", name.value, name.span, None)
            return component, name.span, {"name": name.value}
        return None, node.span, {}

    def _reader(self, node: Node, folder: Path) -> Component | None:
        path = folder / node.value
        if path.suffix.lower() not in READERS:
            self.problems.add(
                node.span, f"dataset.path expects a file that ends in {either(READERS)}, found {found(node)}"
            )
        elif not path.is_file():
            inside = path.parent.is_dir()
            guess = nearest(path.name, [file.name for file in path.parent.iterdir()]) if inside else None
            hint = f"; did you mean '{guess}'?" if guess else "" if inside else ", which does not exist either"
            self.problems.add(node.span, f"there is no file '{path.name}' in {path.parent.resolve()}{hint}")
        else:
            return file_reader(path)
        return None

    def _spelling(self, section: str, node: Node) -> tuple[str, Span, Node | None] | None:
        """The name, where it stands, and the node of its value or options."""
        value = node.value
        if isinstance(value, str):
            return value, node.span, None
        if not isinstance(value, dict) or not value:
            kind = noun(SECTIONS[section][0])
            self.problems.add(node.span, f"{section} expects the name of {_a(kind)}, found {found(node)}")
            return None
        if len(value) > 1:
            self._add_several(section, value)
            return None
        ((name, given),) = value.items()
        return name, given.key_span or node.span, None if given.value is None else given

    def _add_several(self, section: str, value: dict[str, Node]) -> None:
        """Explain a mapping of several keys, where one with a single key, the name, belongs."""
        (first, chosen), *others = value.items()
        name = str(chosen.value)
        if first in ("name", "type", "class", "class_name", "kind") and self.component(section, name):
            options = ", ".join(f"{key}: {item.written or '...'}" for key, item in others)
            self.problems.add(chosen.key_span or chosen.span, f"the name itself is the key: {name}: {{{options}}}")
            return
        stray, node = others[0]
        span = node.key_span or node.span
        if self.component(section, first) and not self.component(section, stray):
            text = f"'{stray}' is not {_a(noun(SECTIONS[section][0]))}; indent it further if it is an option of {first}"
        else:
            text = f"one entry names one {noun(SECTIONS[section][0])}, found '{first}' and '{stray}'"
            text += "; begin each with '- ' on a line of its own" if section in ("network", "metrics") else ""
        self.problems.add(span, text)

    def _add_unknown(self, section: str, name: str, span: Span, given: Node | None) -> None:
        if self.incomplete:
            return
        names = sorted({name for kind in SECTIONS[section] for name in self._usable(kind)})
        run_together = re.fullmatch(r"(\w+)\s*[ :=(]\s*(.+?)\)?", name)
        if given is None and run_together and run_together[1] in names:
            text = f"'{name}' is one word to YAML; write '{run_together[1]}: {run_together[2]}'"
            self.problems.add(span, text + (", with a space after the ':'" if ":" in name else ""))
            return
        all_kinds = (kind for kinds in SECTIONS.values() for kind in kinds)
        elsewhere = next((kind for kind in all_kinds if name in self.plugins.all(kind)), None)
        guess, hint = unknown(name, names, NAMES)
        listed = f"there are: {', '.join(self.plugins.names(SECTIONS[section][0])) or 'none'}"
        if section == "network":
            listed += "; and every op of one array, see trainer ops list"
        if elsewhere:
            hint = f"that is {_a(noun(elsewhere))}, not {_a(noun(SECTIONS[section][0]))}; {listed}"
        elif guess is None:
            hint = listed
        for problem in self.plugins.problems:
            hint += f"\n  (not loaded: {problem.message})"
        self.problems.add(span, f"unknown name '{name}' in {section}; {hint}")

    def _usable(self, kind: str) -> list[str]:
        components = self.plugins.all(kind)
        return [name for name, component in components.items() if kind != "ops" or is_layer(component)]

    def _fits_network(self, component: Component, span: Span) -> bool:
        arrays = _arrays(component)
        if arrays:
            self.problems.add(span, f"op '{component.name}' takes {arrays}; as a layer it gets one")
        return arrays is None

    def _options(self, component: Component, span: Span, given: Node | None) -> dict[str, Any] | None:
        """The validated options of a choice; None after a problem."""
        parameters = {parameter.name: parameter for parameter in component.parameters}
        if given is None:
            items: dict[str, Node] = {}
        elif isinstance(given.value, dict):
            items = dict(given.value)
            rename_keys(Node(items, given.span), list(parameters), self.problems, f"of {component.name}")
        elif parameters:
            items = {next(iter(parameters)): given}
        else:
            written = given.written or "..."
            self.problems.add(given.span, f"{component.name} has no options; write it without ': {written}'")
            return None
        return self._values(component, span, items)

    def _values(self, component: Component, span: Span, items: Mapping[str, Node]) -> dict[str, Any] | None:
        parameters = {parameter.name: parameter for parameter in component.parameters}
        missing = [p.name for p in parameters.values() if p.required and p.name not in items]
        if missing:
            self.problems.add(span, f"{component.name} needs {_needed(component, missing)}")
        values = {
            name: check(f"{_called(component)}.{name}", parameters[name].annotation, item, self.problems)
            for name, item in items.items()
            if name in parameters
        }
        return None if missing or any(value is INVALID for value in values.values()) else values


def file_reader(path: Path) -> Component:
    """The reader of a data file as a component, whose parameters are the reader's options."""
    return Component("datasets", path.name, partial(READERS[path.suffix.lower()], path), "trainer", None, {})


def rename_keys(node: Node, known: Sequence[str], problems: Problems, where: str = "") -> None:
    """Report every unknown key of a mapping; one that was plainly meant as a known key goes on under that name.

    So its value is checked as well, and the known key is not reported as missing.
    """
    for key in [key for key in node.value if key not in known]:
        item = node.value.pop(key)
        guess, hint = unknown(key, known, KEYS)
        if guess is None:
            hint = f"there are: {', '.join(known)}" if known else "there are none"
        what = f"option '{key}' {where}" if where else f"key '{key}'"
        problems.add(item.key_span or item.span, f"unknown {what}; {hint}")
        if guess and guess not in node.value:
            node.value[guess] = item


def spread_dataset(node: Node, plugins: Plugins) -> Node:
    """The section `dataset:` as a mapping with a `name` or a `path`, from any of its spellings."""
    value = node.value
    if isinstance(value, str):
        key = "path" if Path(value).suffix.lower() in READERS else "name"
        return Node({key: node}, node.span, node.key_span)
    if isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
        component = plugins.all("datasets").get(name)
        if component is not None:
            chosen = Node(name, given.key_span or node.span, written=name)
            if isinstance(given.value, dict):
                return Node({"name": chosen, **given.value}, node.span, node.key_span)
            first: list[Parameter] = list(component.parameters[:1])
            options = {first[0].name: given} if first and given.value is not None else {}
            return Node({"name": chosen, **options}, node.span, node.key_span)
    return node


def _needed(component: Component, missing: list[str]) -> str:
    name, first = component.name, component.parameters[0].name
    options = ", ".join(f"{option}: ..." for option in missing)
    listed = " and ".join(f"'{option}'" for option in missing)
    if component.kind == "datasets":
        return f"{listed}; write 'dataset: {{name: {name}, {options}}}'"
    short = f"'{name}: ...' or " if missing == [first] else ""
    return f"{listed}; write {short}'{name}: {{{options}}}'"


def is_layer(op: Component) -> bool:
    """Whether an op takes one array, as a layer does."""
    return _arrays(op) is None


def _arrays(component: Component) -> str | None:
    """How many arrays an op takes, in words; None if it can be a layer."""
    op = component.target
    if op.variadic:
        return "any number of arrays"
    return None if op.required == 1 else f"{op.required} arrays ({', '.join(op.inputs[: op.required])})"


def _called(component: Component) -> str:
    return "dataset" if component.kind == "datasets" else component.name


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
