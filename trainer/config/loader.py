"""Reads a config, and says everything that is wrong with it at once.

The steps: text to tree (`document`), overrides into the tree (`overrides`), plugins, names to components (`choices`),
everything into the models (`schema`). Each step notes its problems and goes on with what is left, and nothing that
follows from one mistake is reported as a second.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config import served
from trainer.config.choices import Chooser, rename_keys, spread_dataset
from trainer.config.document import Node, Unreadable, parse
from trainer.config.overrides import Override, apply, read, spelt
from trainer.config.policy import Policy
from trainer.config.schema import DEFAULT_OPTIMIZER, SECTIONS, Config, DatasetConfig, SubNetwork
from trainer.config.sections import Relative, Section, SectionModel
from trainer.config.source import Problems, Source, Span
from trainer.config.synonyms import KEYS, exactly, hint_of
from trainer.config.values import INVALID, check, complaint, found
from trainer.data.preprocessing import SCALING, STEPS
from trainer.data.readers.registry import Formats
from trainer.errors import ConfigError, DataError, PluginError, Problem, ShapeError, UsageError
from trainer.files import expanded
from trainer.plugins import Component, Plugins
from trainer.plugins.loading import is_file
from trainer.plugins.traits import Traits
from trainer.wording import nearest_file

if TYPE_CHECKING:
    from trainer.data.readers.memory import Columns

__all__ = ["LoadedConfig", "load"]

_NEEDED = [key for key, field in Config.model_fields.items() if field.is_required() and SECTIONS[key].example]
_SKELETON = "\n".join(["the least that runs is", *(f"  {SECTIONS[key].right}" for key in _NEEDED)])
# The section that a key belongs to that was written at the top; of two sections the first.
_INNER: dict[str, str] = {}
for _outer in SECTIONS.values():
    _INNER = {**dict.fromkeys(_outer.inner, _outer.key), **_INNER}


@dataclass(frozen=True, eq=False)
class LoadedConfig:
    """A config that holds, and what is needed to point into it later.

    Attributes:
        config: the values, all defaults filled in.
        path: the file.
        text: the file's text as it was given.
        overrides: the command line's `key=value` arguments.
        plugins: the plugins that its names were found in.
    """

    config: Config
    path: Path
    text: str
    overrides: tuple[str, ...]
    plugins: Plugins
    _root: Node
    _extra: tuple[str, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """The config as plain data for YAML, which loads again from anywhere.

        Every override and default is in it, and files by their full path, those of further plugins too; files of the
        service whose run it is by their names (see `trainer.config.served`).
        """
        resolved = served.named(self.config.plain())
        extra = [str(expanded(each).resolve()) if is_file(each) else each for each in self._extra]
        return {**resolved, "plugins": [*resolved.get("plugins", ()), *extra]} if extra else resolved

    @property
    def name(self) -> str:
        """Of the run: by default that of the file, in which what is no UTF-8 is written out."""
        return self.config.name or self.path.stem.encode(errors="backslashreplace").decode()

    def place(self, *loc: str | int) -> str:
        """Where a part of the config stands, such as `place("network", 1)`: the place, the source line and a caret.

        Of a default, which stands nowhere, the part around it.
        """
        span = self._span(loc)
        return f"{span.place}\n{span.excerpt()}" if span else str(self.path)

    def error(self, loc: Sequence[str | int], message: str) -> ConfigError:
        """A ConfigError about a part of the config, in the form of all others.

        raise loaded.error(("network", 1), "relu changes nothing here")
        """
        span = self._span(loc)
        if span:
            return span.error(message)
        return ConfigError(f"{self.path}: {message}", [Problem(message, str(self.path), None, None, "")])

    @contextmanager
    def at(self, *loc: str | int) -> Iterator[None]:
        """Inside the block, what does not fit (UsageError, ShapeError, DataError) is a ConfigError about this part.

        with loaded.at("network", 1):
            layer.init(rng, input_shape)
        """
        try:
            yield
        except (UsageError, ShapeError, DataError) as error:
            inside = error.option if isinstance(error, DataError) else ()
            raise self.error((*loc, *inside), error.told(spelt)) from error

    def _span(self, loc: Sequence[str | int]) -> Span | None:
        node = self._root
        for step in loc:
            if isinstance(node.value, dict) and step not in node.value and len(node.value) == 1:
                (node,) = node.value.values()  # from {residual: [...]} to its value
            if isinstance(node.value, list) and isinstance(step, int) and -len(node.value) <= step < len(node.value):
                node = node.value[step]
            elif isinstance(node.value, dict) and step in node.value:
                node = node.value[str(step)]
            elif step == 0 and isinstance(node.value, dict):
                continue  # the only one of a list, written without the list
            elif not (isinstance(node.value, list) and isinstance(step, str)):  # {residual: [...]} names no `layers`
                break
        return None if node is self._root else node.name_span


def load(
    config: str | os.PathLike[str] | Mapping[str, object],
    overrides: Sequence[str] = (),
    plugins: Sequence[str] | Plugins = (),
    *,
    text: str | None = None,
    policy: Policy | None = None,
) -> LoadedConfig:
    """The config in a YAML file, or in a mapping of the same keys.

    Args:
        config: the file; of a mapping, errors show the YAML that it is, and paths in it start in the current folder.
            Its `dataset` may be a frame of pandas or polars, or have one, or a mapping of names to columns, as `frame`.
        overrides: `key=value` arguments; `network.0.dense=64` reaches into the file, the last of two counts.
        plugins: further plugins, files relative to the current folder or modules; or a `Plugins`, which then is used
            instead of what is installed, and gets the config's own plugins added.
        text: the YAML, where it is in no file; `config` is what errors call it then.
        policy: what the config may ask for, where somebody else has written it; nothing else is imported or opened.

    Raises ConfigError with every problem that there is, each with its place, the line, and what would be right.

        loaded = load("configs/mlp.yaml", ["step_size=0.01"])
        loaded.config.step_size     # 0.01
    """
    path = Path("config") if isinstance(config, Mapping) else expanded(config)
    extra, plugins = ((), plugins) if isinstance(plugins, Plugins) else (plugins, Plugins())
    problems = Problems()
    frames: dict[str, Columns] = {}
    if isinstance(config, Mapping) and text is None:
        config, frames = _without_frame(config)
    if text is None:
        text = _written(config) if isinstance(config, Mapping) else _text(path)
    source = Source(os.fspath(path), text)
    root, arguments = _trees(source, overrides, problems)
    loader = _Loader(root, path, source, problems, plugins, policy, frames)
    loader.add_plugins(arguments, extra)
    loader.apply(arguments)
    found = loader.config()
    if found is None:
        raise problems.error()
    return LoadedConfig(found, path, source.text, tuple(overrides), plugins, root, tuple(extra))


def _without_frame(config: Mapping[str, object]) -> tuple[Mapping[str, object], dict[str, Columns]]:
    """The config with the fingerprint in the place of the frame that it holds, and the frame's columns by that."""
    dataset = config.get("dataset")
    if hasattr(type(dataset), "columns"):  # which a lazy frame would compute
        dataset = {"frame": dataset}
    frame = dataset.get("frame") if isinstance(dataset, Mapping) else None
    if frame is None or isinstance(frame, str) or not isinstance(dataset, Mapping):
        return config, {}
    from trainer.data.readers.memory import columns_of  # which only such a config needs

    columns = columns_of(frame)
    known = columns.fingerprint()
    return {**config, "dataset": {**dataset, "frame": known}}, {known: columns}


def _written(config: Mapping[str, object]) -> str:
    """A mapping as the YAML of a file."""
    import yaml

    try:
        return str(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=120))
    except yaml.YAMLError as error:
        raise ConfigError(f"a config holds what YAML can write, numbers, texts, lists and mappings: {error}") from None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        folder = path.parent
        guess = nearest_file(path.name, [file.name for file in folder.iterdir()]) if folder.is_dir() else None
        hint = f"; did you mean '{folder / guess}'?" if guess else ""
        raise ConfigError(f"there is no file '{path}'{hint}") from None
    except IsADirectoryError:
        there = sorted(path.glob("*.y*ml"))
        hint = f"name a config in it, such as '{there[0]}'" if there else "name a config; there is none in it"
        raise ConfigError(f"'{path}' is a folder; {hint}") from None
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        hint = "it seems to be UTF-16; " if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise ConfigError(
            f"{path}:{line}: byte 0x{data[error.start]:02X} is not UTF-8 text; {hint}save the file as UTF-8"
        ) from None


def _trees(source: Source, overrides: Sequence[str], problems: Problems) -> tuple[Node, list[Override]]:
    """The file's mapping and the parsed overrides."""
    arguments = [override for argument in overrides if (override := read(argument, problems))]
    try:
        root = parse(source, problems)
    except Unreadable:
        raise problems.error() from None
    if root is None:
        problems.add(source, f"the config is empty; {_SKELETON}")
        raise problems.error()
    if not isinstance(root.value, dict):
        problems.add(root.span, f"a config is a mapping, 'key: value' on each line, found {found(root)}")
        raise problems.error()
    return root, arguments


class _Loader:
    """Turns a tree into a Config."""

    def __init__(
        self,
        root: Node,
        path: Path,
        source: Source,
        problems: Problems,
        plugins: Plugins,
        policy: Policy | None,
        frames: Mapping[str, Columns],
    ) -> None:
        self.root = root
        self.policy = policy
        self.path = path
        self.source = source
        self.problems = problems
        self.plugins = plugins
        self.chooser = Chooser(plugins, problems, frames=frames)
        self.doubtful: set[str] = set()  # keys that may not have been meant, so their values are not judged

    def folder(self, node: Node) -> Path:
        """Where a relative path starts: a file's beside the file, the command line's in the current folder."""
        return Path.cwd() if node.span.source.argument else self.path.parent.absolute()

    def located(self, node: Node) -> Path:
        """Where a path leads that is written there."""
        return served.place(node.value) or self.folder(node) / expanded(node.value)

    def add_plugins(self, arguments: Sequence[Override], extra: Sequence[str]) -> None:
        """Load the plugins of `--plugin` and of `plugins:`; the other overrides need the components to be known."""
        for override in arguments:
            if override.keys[0][0] == "plugins":
                apply(self.root, override, self.problems, lambda section, name: None)
        for source in extra:
            self._add_plugin(source, Path.cwd(), Source("--plugin", source, argument=True))
        node = self.root.value.get("plugins")
        if node is None or check("plugins", list[str], node, self.problems) is INVALID:
            return
        for item in node.value:
            if self.policy is not None and not self.policy.plugin(item, item.span, self.problems):
                self.chooser.incomplete = True
                continue
            folder = self.folder(item)
            self._add_plugin(item.value, folder, item.span)
            if is_file(item.value):
                item.value = str((folder / item.value).resolve())

    def _add_plugin(self, source: str, folder: Path, where: Span | Source) -> None:
        try:
            self.plugins.add(source, folder=folder)
        except PluginError as error:
            self.problems.add(where, str(error))
            self.chooser.incomplete = True

    def apply(self, arguments: Sequence[Override]) -> None:
        """Put the overrides into the tree."""
        self._check_keys()
        self._spread_dataset()
        for override in arguments:
            if override.keys[0][0] != "plugins":
                apply(self.root, override, self.problems, self._first_option)
                self._spread_dataset()

    def _spread_dataset(self) -> None:
        items = self.root.value
        if "dataset" in items:
            items["dataset"] = spread_dataset(items["dataset"], self.plugins)

    def _first_option(self, section: str, name: str) -> str | None:
        component = self.chooser.component(section, name) if section in SECTIONS else None
        return component.parameters[0].name if component and component.parameters else None

    def config(self) -> Config | None:
        """The config; None after a problem."""
        self._check_keys()
        items: dict[str, Node] = self.root.value
        if self.policy is not None:
            self.doubtful |= self.policy.apply(self.root, self.problems)
        first = [key for key in ("networks",) if key in items]  # what follows may name them
        values = {
            key: INVALID if key in self.doubtful else self._value(key, items[key])
            for key in dict.fromkeys([*first, *items])
        }
        if "optimizer" not in items:
            values["optimizer"] = self.chooser.choose("optimizer", Node(DEFAULT_OPTIMIZER, self.root.span))
        unused = set(self.chooser.networks) - self.chooser.used
        for name in unused:
            span = items["networks"].value[name].key_span
            self.problems.add(span or items["networks"].span, f"the sub-network '{name}' is not used in network")
        for key, field in Config.model_fields.items():
            if field.is_required() and key not in values:
                self.problems.add(self.source, f"'{key}' is missing; for example {SECTIONS[key].right}")
        if self.problems:
            return None
        return Config.model_construct(None, **values)

    def _check_keys(self) -> None:
        unknown = [key for key in self.root.value if key not in Config.model_fields]
        of_files = {o: "dataset" for each in Formats(self.plugins).values() for o in each.options} if unknown else {}
        inner = {**of_files, **_INNER}
        misplaced: list[tuple[str, str, str, Node]] = []
        for key in unknown:
            section, name = inner.get(key), key
            if section is None and not hint_of(key, "config", "") and not exactly(key, Config.model_fields, KEYS):
                name = exactly(key, inner, KEYS) or key
                section = inner.get(name)
            if section:
                misplaced.append((key, name, section, self.root.value.pop(key)))
        for key, name, section, item in misplaced:
            span = item.key_span or item.span
            alike = {name: each for _, name, of, each in misplaced if of == section and not each.span.source.argument}
            way = f"write {section}.{name}=..." if span.source.argument else self._into(section, alike)
            called = "" if name == key else f"is called '{name}' here and "
            self.problems.add(span, f"'{key}' {called}belongs to {section}; {way}")
        self.doubtful |= rename_keys(self.root, list(Config.model_fields), self.problems, kind="config")

    def _into(self, section: str, items: Mapping[str, Node]) -> str:
        """How to write keys into their section, which may stand there on a line of its own, or not at all."""
        there: Node = self.root.value.get(section, Node({}, self.root.span))
        node = spread_dataset(there, self.plugins) if section == "dataset" else there
        short = SECTIONS[section].short
        node = Node({short: node}, node.span) if short and isinstance(node.value, str) else node
        if (there.on_its_line or there.value == {}) and isinstance(node.value, dict):
            inside = [f"{key}: {each.on_its_line or '...'}" for key, each in {**node.value, **items}.items()]
            return f"write {section}: {{{', '.join(inside)}}}"
        return f"write it below '{section}:', indented"

    def _value(self, key: str, node: Node) -> Any:
        """The validated value of a key; INVALID or None after a problem."""
        section = SECTIONS[key]
        if section.form == "source":
            return self._dataset(node)
        if section.form == "named choices":
            return self._networks(node)
        if section.form == "mapping":
            return self._section(section, node)
        if section.form == "mappings":
            return self._several(section, node)
        if section.form == "choices":
            return self._choices(section, node)
        named = isinstance(node.value, dict) or _is_name(node.value)
        if section.form == "choice" or (section.form == "value or choice" and named):
            return self.chooser.choose(key, node)
        return check(key, Config.model_fields[key].rebuild_annotation(), node, self.problems)

    def _dataset(self, node: Node) -> DatasetConfig | None:
        if isinstance(node.value, dict):
            return self.chooser.dataset(node, self.located)
        self._complain("dataset", "dataset expects the name of a data set, a file or a mapping", node)
        return None

    def _section(self, section: Section, node: Node) -> object:
        """The model of a mapping of its keys."""
        name, model = section.key, section.model
        assert model is not None
        if section.short and isinstance(node.value, str):
            node = Node({section.short: node}, node.span, node.key_span)
        if section.off and node.value is False:
            return False
        if not isinstance(node.value, dict):
            return self._complain(name, f"{name} expects a mapping", node)
        fields = model.model_fields
        whole = set(node.value) <= set(fields)
        doubtful = rename_keys(node, list(fields), self.problems, f"of {name}")
        values = {
            key: INVALID if key in doubtful else self._within(section, key, item) for key, item in node.value.items()
        }
        missing = [key for key, field in fields.items() if field.is_required() and key not in values]
        if missing:
            self.problems.add(node.span, f"{name} needs '{missing[0]}'; for example {section.right}")
        if missing or any(value is INVALID for value in values.values()):
            return INVALID
        for key in values:
            if any(isinstance(mark, Relative) for mark in fields[key].metadata):
                values[key] = str(self.located(node.value[key]))
        made = model.model_construct(None, **values)  # each was held against its annotation
        if whole and isinstance(made, SectionModel) and (problem := made.problem()):
            self.problems.add(node.span, f"{problem}; for example {section.right}")
        return made

    def _within(self, section: Section, key: str, node: Node) -> object:
        """The value of a key of a section."""
        assert section.model is not None
        annotation = section.model.model_fields[key].rebuild_annotation()
        if section.inner[key].form == "choices" and isinstance(node.value, list):
            chosen = [self.chooser.choose(key, item) for item in node.value]
            return INVALID if None in chosen else chosen
        return check(f"{section.key}.{key}", annotation, node, self.problems)

    def _several(self, section: Section, node: Node) -> object:
        """A list of mappings, or one without a list."""
        nodes = node.value if isinstance(node.value, list) else [node]
        values = [self._section(section, each) for each in nodes]
        return INVALID if any(value is INVALID for value in values) else values

    def _networks(self, node: Node) -> object:
        """The named sub-networks, each of which those after it may use."""
        if not isinstance(node.value, dict):
            return self._complain("networks", "networks expects a mapping of names to lists of layers", node)
        networks = {}
        for name, layers in node.value.items():
            span = layers.key_span or layers.span
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                text = "letters, digits and underscores, and begins with a letter"
                self.problems.add(span, f"the name of a sub-network has {text}, found '{name}'")
                continue
            if name in (SCALING, STEPS):
                self.problems.add(span, f"'{name}' is taken by what is saved of the data; give it another name")
                continue
            if self.chooser.component("network", name):
                self.problems.add(span, f"'{name}' is a layer already; give the sub-network another name")
                continue
            chain = self.chooser.chain("network", f"networks.{name}", layers)
            if chain is not INVALID:
                networks[name] = list(chain)
                network = SubNetwork(chain)
                self.chooser.networks[name] = Component("layers", name, network, "this config", None, Traits())
        return networks if len(networks) == len(node.value) else INVALID

    def _choices(self, section: Section, node: Node) -> object:
        if not isinstance(node.value, list) or (section.filled and not node.value):
            annotation = Config.model_fields[section.key].rebuild_annotation()
            self.problems.add(node.span, complaint(section.key, annotation, node))
            return INVALID
        return [self.chooser.choose(section.key, item) for item in node.value]

    def _complain(self, key: str, expects: str, node: Node) -> object:
        example = f"; for example {SECTIONS[key].right}"
        self.problems.add(node.span, f"{expects}, found {found(node)}{example}")
        return INVALID


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.match(r"[A-Za-z_]", value) is not None
