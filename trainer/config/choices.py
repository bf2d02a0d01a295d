"""From names in a config to the components of the plugins, with their options validated."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.document import Node
from trainer.config.schema import SECTIONS, Chain, Choice, DatasetConfig, WeightsByClass
from trainer.config.source import Problems, Span
from trainer.config.synonyms import KEYS, NAMES, exactly, hint_of, unknown
from trainer.config.values import INVALID, check, found
from trainer.data.given import parts_in
from trainer.data.readers.registry import Formats, why_missing
from trainer.errors import DataError
from trainer.limits import Nested
from trainer.plugins import Component, Parameter, Plugins
from trainer.plugins.registry import noun
from trainer.plugins.traits import DatasetTraits, Traits

if TYPE_CHECKING:
    from trainer.data.readers.memory import Columns

__all__ = [
    "PREPARATION",
    "Chooser",
    "is_layer",
    "nesting",
    "rename_keys",
    "spread_dataset",
]

MANY = 20  # names; a message does not list more
NAMING = ("name", "type", "class", "class_name", "kind")  # keys by which others name what is chosen
# The keys that a data set has whatever it is.
PREPARATION = tuple(
    key for key in DatasetConfig.model_fields if key not in ("name", "path", "frame", "component", "options")
)


class Chooser:
    """Looks components up and validates their options.

    Args:
        plugins: where the components are.
        problems: where what is wrong goes.
        incomplete: whether a plugin of the config failed to load; then a name that is unknown may have been its, and
            nothing is said of it.
        frames: the columns that were given in Python, by their fingerprints.
    """

    def __init__(
        self,
        plugins: Plugins,
        problems: Problems,
        *,
        incomplete: bool = False,
        frames: Mapping[str, Columns] | None = None,
    ) -> None:
        self.frames = frames or {}
        self.plugins = plugins
        self.problems = problems
        self.incomplete = incomplete
        self.networks: dict[str, Component] = {}
        self.used: set[str] = set()  # which of them stand somewhere

    @property
    def formats(self) -> Formats:
        """What data files there can be."""
        return Formats(self.plugins)

    def component(self, section: str, name: str) -> Component | None:
        """The component of that name that a section of the config would choose, or None."""
        if name in self.networks and "layers" in SECTIONS[section].kinds:
            self.used.add(name)
            return self.networks[name]
        kinds = (self.plugins.all(kind) for kind in SECTIONS[section].kinds)
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

    def chain(self, section: str, label: str, node: Node) -> Any:
        """The choices of a list, and of the lists in it; INVALID after a problem."""
        if not isinstance(node.value, list):
            kinds = f"{SECTIONS[section].noun}s"
            hint = f"; write [{node.written}]" if node.written else ""
            self.problems.add(node.span, f"{label} expects a list of {kinds}, found {found(node)}{hint}")
            return INVALID
        chosen = [
            self.chain(section, label, item) if isinstance(item.value, list) else self.choose(section, item)
            for item in node.value
        ]
        return INVALID if any(item is None or item is INVALID for item in chosen) else Chain(chosen)

    def dataset(self, node: Node, located: Callable[[Node], Path]) -> DatasetConfig | None:
        """The data set section, after `spread_dataset`; `located` says where a path leads that is written there."""
        items = dict(node.value)
        component, span, plain = self._data_source(node, items, located)
        if component is None:
            return None
        parameters = {p.name: p for p in component.parameters}
        known, where = [*PREPARATION, *parameters], f"of {_called(component)}"
        if "path" in plain:
            self._refuse_options_of_others(items, known, Path(plain["path"]))
        doubtful = rename_keys(Node(items, node.span), known, self.problems, where, "files" if "path" in plain else "")
        options = {key: items.pop(key) for key in list(items) if key in parameters}
        values = self._values(component, span, options, doubtful)
        common = {key: self._common(key, item) for key, item in items.items() if key not in doubtful}
        for key in ("validation_path", "test_path"):
            if isinstance(common.get(key), str):
                common[key] = self._part(key, items[key], located(items[key]), plain)
        if values is None or any(value is INVALID for value in common.values()):
            return None
        return DatasetConfig.model_construct(None, component=component, options=values, **plain, **common)

    def _refuse_options_of_others(self, items: dict[str, Node], known: Sequence[str], path: Path) -> None:
        """Take out what only another format has, and say whose option it is."""
        for key in [key for key in items if key not in known]:
            other = self.formats.whose_option(key, path)
            if other and not hint_of(key, "files", items[key].written):
                node = items.pop(key)
                self.problems.add(node.key_span or node.span, f"{other.says(key)}, and '{path.name}' has none")

    def _part(self, key: str, node: Node, path: Path, plain: Mapping[str, str]) -> object:
        """The path of rows that stand apart."""
        if "path" not in plain:
            self.problems.add(node.key_span or node.span, f"{key} is read as path is, and there is none")
        elif path.exists():
            return str(path)
        else:
            self.problems.add(node.span, why_missing(path))
        return INVALID

    def _common(self, key: str, node: Node) -> object:
        if SECTIONS["dataset"].inner[key].form == "choices" and isinstance(node.value, list) and node.value:
            steps = [self.choose(key, item) for item in node.value]
            return INVALID if None in steps else steps
        by_class = key == "class_weights" and isinstance(node.value, dict)
        annotation = WeightsByClass if by_class else DatasetConfig.model_fields[key].rebuild_annotation()
        return check(f"dataset.{key}", annotation, node, self.problems)

    def _data_source(
        self, node: Node, items: dict[str, Node], located: Callable[[Node], Path]
    ) -> tuple[Component | None, Span, dict[str, str]]:
        """What makes the data: a component, or a file's reader seen as one. Takes `name` or `path` out of `items`."""
        name, path, frame = (items.pop(key, None) for key in ("name", "path", "frame"))
        if frame is not None:
            if name is not None or path is not None:
                self.problems.add(frame.key_span or frame.span, "dataset has a frame and another source; keep one")
            elif check("dataset.frame", str, frame, self.problems) is not INVALID:
                return self._frame(frame.value), frame.span, {"frame": frame.value}
        elif name is not None and path is not None:
            self.problems.add(path.key_span or path.span, "dataset has a name and a path; keep one of the two")
        elif path is not None:
            if check("dataset.path", str, path, self.problems) is not INVALID:
                return self._reader(path, located(path)), path.span, {"path": str(located(path))}
        elif name is None:
            self.problems.add(node.name_span, f"dataset needs a name or a path; {self._listed('dataset')}")
        elif check("dataset.name", str, name, self.problems) is not INVALID:
            component = self.component("dataset", name.value)
            there = _there(located(name), name.value, self.formats) if component is None else ""
            if there:
                self.problems.add(name.span, f"there is no data set '{name.value}', but {there}")
            elif component is None:
                self._add_unknown("dataset", name.value, name.span, None)
            return component, name.span, {"name": name.value}
        return None, node.span, {}

    def _frame(self, fingerprint: str) -> Component:
        """What makes a data set of columns in memory; where they are not, it says so when the data are asked for."""
        from trainer.data.readers.memory import read_frame  # which only such a config needs

        read = partial(read_frame, self.frames.get(fingerprint), fingerprint)
        return Component("datasets", "frame", read, "trainer", None, DatasetTraits())

    def _reader(self, node: Node, path: Path) -> Component | None:
        path = parts_in(path).get("train", path)
        try:
            return self.formats.find(path).reads(path)
        except DataError as error:
            self.problems.add(node.span, str(error))
            return None

    def _spelling(self, section: str, node: Node) -> tuple[str, Span, Node | None] | None:
        """The name, where it stands, and the node of its value or options."""
        value = node.value
        if isinstance(value, str):
            return value, node.span, None
        if not isinstance(value, dict) or not value:
            kind = SECTIONS[section].noun
            self.problems.add(node.span, f"{section} expects the name of {_a(kind)}, found {found(node)}")
            return None
        if len(value) > 1:
            self._add_several(section, value)
            return None
        ((name, given),) = value.items()
        named = name in NAMING and isinstance(given.value, str) and not self.component(section, name)
        if named and self.component(section, given.value):
            span = node.span if node.on_its_line else node.name_span
            self.problems.add(span, f"the name stands alone; write {given.value}")
            return None
        return name, given.key_span or node.span, None if given.value is None else given

    def _add_several(self, section: str, value: dict[str, Node]) -> None:
        """Explain a mapping of several keys, where one with a single key, the name, belongs."""
        (first, chosen), *others = value.items()
        name = str(chosen.value)
        if first in NAMING and self.component(section, name):
            options = ", ".join(f"{key}: {item.written or '...'}" for key, item in others)
            self.problems.add(chosen.key_span or chosen.span, f"the name itself is the key: {name}: {{{options}}}")
            return
        stray, node = others[0]
        span = node.key_span or node.span
        component = self.component(section, first)
        if component and not self.component(section, stray):
            text = f"'{stray}' is not {_a(SECTIONS[section].noun)}; "
            if chosen.value is not None and chosen.on_its_line and component.parameters:
                items = {component.parameters[0].name: chosen, **dict(others)}.items()
                inside = ", ".join(f"{key}: {each.on_its_line or '...'}" for key, each in items)
                text += f"write {first}: {{{inside}}} if it is an option of {first}"
            else:
                text += f"indent it further if it is an option of {first}"
        else:
            text = f"one entry names one {SECTIONS[section].noun}, found '{first}' and '{stray}'"
            is_list = SECTIONS[section].form == "choices"
            text += "; begin each with '- ' on a line of its own" if is_list else ""
        self.problems.add(span, text)

    def _add_unknown(self, section: str, name: str, span: Span, given: Node | None) -> None:
        if self.incomplete:
            return
        names = sorted({name for kind in SECTIONS[section].kinds for name in self._usable(kind)})
        names += list(self.networks) if section == "network" else []
        run_together = re.fullmatch(r"(\w+)\s*[ :=(]\s*(.+?)\)?", name)
        if given is None and run_together and run_together[1] in names:
            text = f"'{name}' is one word to YAML; write '{run_together[1]}: {run_together[2]}'"
            self.problems.add(span, text + (", with a space after the ':'" if ":" in name else ""))
            return
        all_kinds = (kind for row in SECTIONS.values() for kind in row.kinds)
        elsewhere = next((kind for kind in all_kinds if name in self.plugins.all(kind)), None)
        guess, hint, _ = unknown(name, names, NAMES)
        if elsewhere and exactly(name, names, NAMES) is None:
            hint = f"that is {_a(noun(elsewhere))}, not {_a(SECTIONS[section].noun)}; {self._listed(section)}"
        elif guess is None:
            hint = self._listed(section)
        for problem in self.plugins.problems:
            hint += f"\n  (not loaded: {problem.message})"
        self.problems.add(span, f"unknown name '{name}' in {section}; {hint}")

    def _listed(self, section: str) -> str:
        """The names that a section can choose from; of many, where a person finds them."""
        kind = SECTIONS[section].kinds[0]
        names = self.plugins.names(kind)
        if len(names) > MANY:
            return f"see trainer list {kind}" + (
                " and, for ops of one array, trainer ops list" * (section == "network")
            )
        ops = "; and every op of one array, see trainer ops list" if section == "network" else ""
        return f"there are: {', '.join(names) or 'none'}{ops}"

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
        doubtful: set[str] = set()
        if given is None:
            items: dict[str, Node] = {}
        elif isinstance(given.value, dict):
            items = dict(given.value)
            doubtful = rename_keys(
                Node(items, given.span), list(parameters), self.problems, f"of {component.name}", component.kind
            )
        elif component.kind == "optimizers" and component.name in parameters:
            items = {component.name: given}  # {momentum: 0.9}
        elif parameters and component.kind == "optimizers":
            first = next(iter(parameters))
            self.problems.add(
                given.span,
                f"{component.name} is given {found(given)} and no name for it: the step size stands at the top, "
                f"step_size: {given.written or '...'}, and an option by its name, {component.name}: {{{first}: ...}}",
            )
            return None
        elif parameters:
            items = {next(iter(parameters)): given}
        else:
            written = given.written or "..."
            self.problems.add(given.span, f"{component.name} has no options; write it without ': {written}'")
            return None
        return self._values(component, span, items, doubtful)

    def _values(
        self, component: Component, span: Span, items: Mapping[str, Node], doubtful: Collection[str]
    ) -> dict[str, Any] | None:
        parameters = {parameter.name: parameter for parameter in component.parameters}
        missing = [p.name for p in parameters.values() if p.required and p.name not in items]
        if missing:
            self.problems.add(span, f"{component.name} needs {_needed(component, missing, items)}")
        values = {
            name: self._value(f"{_called(component)}.{name}", parameters[name].annotation, item)
            for name, item in items.items()
            if name in parameters and name not in doubtful
        }
        return None if missing or any(value is INVALID for value in values.values()) else values

    def _value(self, label: str, annotation: object, item: Node) -> object:
        nested = nesting(annotation)
        if nested is None:
            return check(label, annotation, item, self.problems)
        if nested.of is not None:
            return self._parts(label, nested.of, item)
        if typing.get_origin(typing.get_args(annotation)[0]) is tuple:
            return self.chain(nested.section, label, item)
        chosen = self.choose(nested.section, item)
        return INVALID if chosen is None else chosen

    def _parts(self, label: str, of: type, node: Node) -> object:
        """A list of mappings, each of which makes one `of`."""
        if not isinstance(node.value, list):
            self.problems.add(node.span, f"{label} expects a list of mappings, found {found(node)}")
            return INVALID
        component, chosen = Component("parts", f"a part of {label}", of, "trainer", None, Traits()), []
        for item in node.value:
            if not isinstance(item.value, dict):
                self.problems.add(item.span, f"{component.name} is a mapping, found {found(item)}")
                return INVALID
            options = self._options(component, item.span, item)
            if options is None:
                return INVALID
            for parameter in component.parameters:
                follows = nesting(parameter.annotation)
                if follows is None or not isinstance(choice := options.get(parameter.name), Choice):
                    continue
                said = {option: getattr(choice.component.traits, trait) for option, trait in follows.says.items()}
                options = {**{option: value for option, value in said.items() if value is not None}, **options}
            chosen.append(Choice(component, options))
        return Chain(chosen)


def nesting(annotation: object) -> Nested | None:
    """What an option's annotation says of the components that it holds; None for an option that is plain data."""
    return next((mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Nested)), None)


def rename_keys(node: Node, known: Sequence[str], problems: Problems, where: str = "", kind: str = "") -> set[str]:
    """Report every unknown key of a mapping; one that seems meant as a known key goes on under that name.

    So the known key is not reported as missing, and if it surely was meant its value is checked as well. Gives the
    known keys that may not have been meant: their values are not to be judged.
    """
    doubtful: set[str] = set()
    for key in [key for key in node.value if key not in known]:
        item = node.value.pop(key)
        guess, hint, sure = unknown(key, known, KEYS)
        special = hint_of(key, kind, item.written)
        if special and exactly(key, known, KEYS) is None:
            guess, hint = None, special
        elif guess is None and kind in ("", "files") and exactly(key, SECTIONS, KEYS):
            name, value = exactly(key, SECTIONS, KEYS), item.written or "..."
            hint = f"it belongs to no section: begin a line with '{name}: {value}'"
            if item.span.source.argument:
                hint = f"it belongs to no section: write {name}={value}"
        elif guess is None:
            hint = f"there are: {', '.join(known)}" if known else "there are none"
        what = f"option '{key}' {where}" if where else f"key '{key}'"
        problems.add(item.key_span or item.span, f"unknown {what}; {hint}")
        if guess and guess not in node.value:
            node.value[guess] = item
            if not sure:
                doubtful.add(guess)
    return doubtful


def spread_dataset(node: Node, plugins: Plugins) -> Node:
    """The section `dataset:` as a mapping with a `name` or a `path`, from any of its spellings."""
    value = node.value
    if isinstance(value, str):
        key = "path" if Formats(plugins).is_path(value) else "name"
        return Node({key: node}, node.span, node.key_span)
    if isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
        component = plugins.all("datasets").get(name)
        if component is not None:
            chosen = Node(name, given.key_span or node.span, written=name)
            first: list[Parameter] = list(component.parameters[:1])
            if isinstance(given.value, dict):
                inner = dict(given.value)
                if "name" in inner and first and first[0].required and first[0].name not in inner:
                    inner[first[0].name] = inner.pop("name")  # its name elsewhere, as in {openml: {name: iris}}
                return node if "name" in inner else Node({"name": chosen, **inner}, node.span, node.key_span)
            options = {first[0].name: given} if first and given.value is not None else {}
            return Node({"name": chosen, **options}, node.span, node.key_span)
    return node


def _there(path: Path, name: str, formats: Formats) -> str:
    """What stands beside the config under the name of a data set that there is not, and how to write it."""
    if "\0" in name or not name:
        return ""
    if path.is_dir():
        return f"there is a folder: write {name}/ or {{path: {name}}}"
    files = [name + suffix for suffix in formats.endings if path.with_name(path.name + suffix).is_file()]
    return f"there is a file: write {files[0]}" if files else ""


def _needed(component: Component, missing: list[str], items: Mapping[str, Node]) -> str:
    """What is missing, and how to write it beside what stands there."""
    name, first = component.name, component.parameters[0].name
    given = {option: item.written or "..." for option, item in items.items()}
    options = ", ".join(f"{option}: {value}" for option, value in {**given, **dict.fromkeys(missing, "...")}.items())
    listed = " and ".join(f"'{option}'" for option in missing)
    if component.kind == "datasets":
        return f"{listed}; write 'dataset: {{name: {name}, {options}}}'"
    short = f"'{name}: ...' or " if missing == [first] and not given else ""
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
