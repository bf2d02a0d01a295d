"""Finding the config, or the run, that a person meant."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from trainer.errors import UsageError
from trainer.files import expanded
from trainer.wording import did_you_mean, nearest_file, typed

__all__ = ["find_config", "find_run", "find_runs", "with_home"]

_ENDINGS = (".yaml", ".yml")


def with_home(argument: str) -> str:
    """An argument in which `~/` is the home folder also where a shell leaves it: in quotes, and after `--out=`.

    >>> with_home("--out=~/runs") == f"--out={Path.home() / 'runs'}", with_home("name=~x")
    (True, 'name=~x')
    """
    option, tilde, rest = argument.partition("~/")
    if not tilde or (option and not (option.startswith("--") and option.endswith("="))):
        return argument
    return f"{option}{expanded(tilde + rest)}"


def find_config(path: Path) -> Path:
    """`path` if it is a file; of a run, see `trainer.runs.config.config_of`, the config that is the same run again.

    Says so where another file of the run was named. Otherwise UsageError with the config that was probably meant, or
    those that are near.
    """
    from trainer.runs.config import RESOLVED, config_of

    if path.is_file() or (path / RESOLVED).is_file():
        config = config_of(path)
        if path.is_file() and config != path:
            typer.echo(f"{path} is what a run was given; what it was trained with is {config}", err=True)
        return config
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a config file{_listed('in it are', _configs(path))}")
    if not path.exists() and path.is_symlink():
        raise UsageError(f"{path} is a link to {path.readlink()}, which does not exist")
    meant = _meant(path)
    if meant:
        raise UsageError(f"there is no file {path}; did you mean {meant}?")
    around = path.parent if path.parent.is_dir() else Path()
    raise UsageError(f"there is no file {path}{_listed('configs nearby are', _configs(around))}")


def _meant(path: Path) -> Path | None:
    """The config with the nearest name: beside `path`, or below the current folder where that one does not exist."""
    for ending in _ENDINGS:  # `trainer run configs/mlp`
        if path.with_name(path.name + ending).is_file():
            return path.with_name(path.name + ending)
    candidates = _configs(path.parent) if path.parent.is_dir() else []
    candidates += [config for config in _configs(Path()) if config not in candidates]
    exact = [config for config in candidates if config.name == path.name]
    near = nearest_file(path.name, [config.name for config in candidates])
    return exact[0] if exact else next((config for config in candidates if config.name == near), None)


def _configs(folder: Path) -> list[Path]:
    """YAML files in a folder and one level below it; hidden folders and finished runs hold none that are meant."""
    found = [file for ending in _ENDINGS for level in ("*", "*/*") for file in folder.glob(level + ending)]
    return sorted(file for file in found if not any(part.startswith(".") for part in file.parts) and file.is_file())


def _listed(words: str, configs: list[Path]) -> str:
    if not configs:
        return "; `trainer init` writes a first one"
    shown = ", ".join(map(str, configs[:8]))
    return f"; {words} {shown}" + (f" and {len(configs) - 8} more" if len(configs) > 8 else "")


def find_run(name: str, root: Path) -> Path:
    """The run of that folder, that name in `root`, or the one whose name ends so. "last" is the newest.

    Raises UsageError where there is none, or more than one.
    """
    from trainer.runs.listing import runs_in

    if (Path(name) / "status.json").is_file():
        return Path(name)
    paths = runs_in(root)
    if name == "last" and paths:
        return paths[-1]
    fitting = [path for path in paths if path.name == name] or [path for path in paths if path.name.endswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        shown = ", ".join(path.name for path in fitting[-3:])
        raise UsageError(f"{len(fitting)} runs in {root} end in '{name}', such as {shown}; write more of the name")
    hint = did_you_mean(name, [path.name for path in paths], f"what there is: {_listing(root)}")
    raise UsageError(f"there is no run '{name}' in {root}; {hint}")


def _listing(root: Path) -> str:
    """The command that lists the runs of a folder."""
    return "trainer runs" if root == Path("runs") else f"trainer runs --in {typed(root)}"


def find_runs(name: str, root: Path) -> list[Path]:
    """The run, or the runs in the folder, of that name; otherwise those in `root` of a config that is called so.

    Raises UsageError where there is none.
    """
    from trainer.runs.listing import STAMPED, runs_in

    inside = runs_in(name) if Path(name).is_dir() and not (Path(name) / "status.json").is_file() else []
    if inside:
        return inside
    if not (Path(name) / "status.json").is_file() and root.is_dir():
        like = re.compile(re.escape(name) + r"(-fold\d+)?(-\d{3,})?")  # what stands behind the name of a config
        called = [path for path in runs_in(root) if like.fullmatch(STAMPED.sub("", path.name))]
        if called:
            return called
    return [find_run(name, root)]
