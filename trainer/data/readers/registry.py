"""Which function reads which file: a row for each format, as plugins register them, ours like a stranger's.

    @hookimpl
    def register_readers(register):
        register(read_arff, name="arff", endings=(".arff",), example="soil.arff")

A reader is a function of a path; its other parameters, keyword-only, are what a config may set, and their annotations
what it is held to. Whoever needs to know what a data file is called, or what there is to say of one, asks here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.data.readers.decoding import COMPRESSED
from trainer.errors import DataError
from trainer.plugins.traits import DatasetTraits, ReaderTraits
from trainer.wording import either, nearest_file

if TYPE_CHECKING:
    from trainer.data.dataset import Dataset
    from trainer.plugins.manager import Plugins
    from trainer.plugins.registry import Component

__all__ = ["Format", "Formats", "any_folder", "why_missing"]


def any_folder(path: Path) -> bool:
    """What a reader says of the folders that it reads when nobody else does: all."""
    return True


@dataclass(frozen=True)
class Format:
    """One kind of data file or folder.

    component: the reader as it was registered.
    endings: of the files that it reads, in lower case; none for a folder.
    folder: whether a folder is one of its own; None for a format of files.
    example: the name of one, for messages and lists.
    """

    component: Component
    endings: tuple[str, ...]
    folder: Callable[[Path], bool] | None
    example: str

    @classmethod
    def of(cls, component: Component) -> Format:
        """The row of a registered reader."""
        traits = ReaderTraits.of(component)
        endings, folder = tuple(traits.endings), traits.folder
        return cls(component, endings, folder, traits.example or ("data/" if folder else f"data{endings[0]}"))

    @property
    def options(self) -> list[str]:
        """What a config may set."""
        return [parameter.name for parameter in self.component.parameters]

    def says(self, option: str) -> str:
        """That an option is one of its own, for who gave it to another."""
        return f"'{option}' is an option of {self.component.name}, such as {self.example}"

    def rows_of(self, path: Path, reading: Mapping[str, Any]) -> Dataset:
        """The rows of this path for a model, by those options of a `dataset:` that are its own."""
        from trainer.data.dataset import some_rows

        options = {name: reading[name] for name in self.options if reading.get(name) is not None}
        with some_rows():
            dataset: Dataset = self.component.target(path, **options)
        return dataset

    def reads(self, path: Path) -> Component:
        """The reader of this path as the component of a data set, named as the path is."""
        from trainer.plugins.registry import Component

        reader = self.component
        read = partial(reader.target, path)
        return Component("datasets", path.name, read, reader.plugin, reader.package, DatasetTraits())


class Formats(Mapping[str, Format]):
    """Every format that there is, by name, in the order in which they were registered."""

    def __init__(self, plugins: Plugins) -> None:
        self._rows = {name: Format.of(component) for name, component in plugins.all("readers").items()}

    def __getitem__(self, name: str) -> Format:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def endings(self) -> tuple[str, ...]:
        """What data files end in."""
        return tuple(dict.fromkeys(ending for row in self.values() for ending in row.endings))

    def is_path(self, text: str) -> bool:
        """Whether a text is called like a data file or a folder, so that it is no data set's name."""
        return text.endswith("/") or text.lower().endswith(self.endings)

    def find(self, path: Path) -> Format:
        """The format of a file or folder. Raises DataError where there is none, or nothing reads it."""
        if path.is_dir():
            # The last first, so that a plugin is asked before those that take any folder.
            return next(row for row in reversed([*self.values()]) if row.folder is not None and row.folder(path))
        fitting = [row for row in self.values() if path.name.lower().endswith(row.endings)]
        if not fitting and (path.suffix or path.is_file()):
            plain = [ending for ending in self.endings if not ending.endswith(COMPRESSED)]
            table = _TABLE if _is_text(path) else ""
            raise DataError(f"'{path.name}' is no data file: one ends in {either(plain)}, or is a folder{table}")
        if not path.is_file():
            raise DataError(why_missing(path))
        endings = (ending for row in fitting for ending in row.endings)
        longest = max((ending for ending in endings if path.name.lower().endswith(ending)), key=len)
        first, *others = (row for row in fitting if longest in row.endings)
        if others:
            raise DataError(
                f"'{path.name}' would be read by {first.component.origin} and by {others[0].component.origin}: leave "
                f"one of the two out"
            )
        return first

    def strangers(self, path: Path) -> Format | None:
        """The format of a plugin's that reads a path that is there; None where it is one of ours, or nobody's."""
        own = [row for row in reversed([*self.values()]) if not row.component.ours]
        if path.is_dir():
            return next((row for row in own if row.folder is not None and row.folder(path)), None)
        fitting = any(path.name.lower().endswith(row.endings) for row in own if row.endings)
        return self.find(path) if fitting and not self.find(path).component.ours else None

    def whose_option(self, option: str, path: Path) -> Format | None:
        """A format that has an option, rather one that is a file or a folder as the path is; None where none has."""
        having = [row for row in self.values() if option in row.options]
        return min(having, key=lambda row: (row.folder is not None) != path.is_dir(), default=None)


def why_missing(path: Path) -> str:
    """That there is no such file or folder, with the nearest name."""
    inside = path.parent.is_dir()
    guess = nearest_file(path.name, os.listdir(path.parent)) if inside else None
    hint = f"did you mean '{guess}'?" if guess else ""
    what = "file" if path.suffix else "folder"
    nowhere = "" if inside else ", which does not exist either"
    return f"there is no {what} '{path.name}' in {path.parent.resolve()}{f'; {hint}' if hint else nowhere}"


_TABLE = "; a table of text is read under a name that ends in .csv"


def _is_text(path: Path) -> bool:
    """Whether a file that no format claims is called as tables of text often are."""
    return path.is_file() and path.suffix.lower() in (".data", ".dat", ".asc")
