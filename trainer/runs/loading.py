"""Reading back what a run left, also while it still goes on and also when something in it is missing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import DataError
from trainer.files import expanded
from trainer.runs.digests import read_mapping, read_text
from trainer.runs.listing import status_of
from trainer.runs.metrics import read_metrics
from trainer.runs.parameters import Saved, load_parameters
from trainer.runs.steps import read_steps
from trainer.wording import describe, nearest

if TYPE_CHECKING:
    from trainer.data import Preprocessing, Scaling
    from trainer.runs.metrics import Metrics
    from trainer.runs.parameters import Arrays
    from trainer.runs.steps import Steps

__all__ = ["Run", "load"]


@dataclass(frozen=True)
class Run:
    """A run folder as an object; each part is read when it is first asked for, so a damaged one hides no other."""

    path: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """status.json: status, reason, epochs, started, seen, ended (ISO 8601, UTC), seconds, pid, host; and `files`,
        the length and the SHA-256 of each."""
        return read_mapping(self.path / "status.json")

    @property
    def status(self) -> str:
        """finished, running, crashed, interrupted, diverged or failed; one that runs has a living process."""
        return status_of(self.path, str(self.about.get("status")))

    @property
    def reason(self) -> str | None:
        """Why the run did not finish."""
        reason: str | None = self.about.get("reason")
        return reason

    @cached_property
    def config_text(self) -> str:
        """The config as it was given, without overrides."""
        return read_text(self.path / "config.yaml")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config as it was used: with overrides and every default."""
        import yaml

        path = self.path / "resolved.yaml"
        try:
            config = yaml.safe_load(read_text(path))
        except yaml.YAMLError as error:
            raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        return _mapping(path, config)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """environment.json: versions, processor, threads."""
        return read_mapping(self.path / "environment.json")

    @cached_property
    def metrics(self) -> Metrics:
        """The columns of metrics.csv, each of shape (epochs,)."""
        return read_metrics(self.path / "metrics.csv")

    @cached_property
    def steps(self) -> Steps:
        """The columns of metrics.jsonl, each of shape (logged steps,); none where the config logs no steps."""
        return read_steps(self.path / "metrics.jsonl")

    @cached_property
    def saved(self) -> Saved:
        """parameters.safetensors, checked against its SHA-256; DataError where it is missing or damaged."""
        return load_parameters(self.path / "parameters.safetensors")

    @property
    def parameters(self) -> Arrays:
        """The final parameters by name ("0.weights", …)."""
        return self.saved.parameters

    @property
    def scaling(self) -> Scaling | None:
        """The scaling that the data went through; None for a run on data as they were."""
        return self.saved.scaling

    @cached_property
    def preprocessing(self) -> Preprocessing | None:
        """The steps of `preprocess:` as they were fitted; None for a run without any."""
        return self.saved.preprocessing()

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """findings.json: what was found to be wrong with the training: cause, evidence, place, overrides of each."""
        path = self.path / "findings.json"
        found = read_mapping(path).get("findings") if path.exists() else []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise DataError(f"{path} is no list of findings")
        return found

    @cached_property
    def log(self) -> str:
        """The text of log.txt."""
        return read_text(self.path / "log.txt")


def load(folder: str | os.PathLike[str]) -> Run:
    """The run in a folder. Raises DataError, with the nearest name, for a folder that holds none.

    >>> import tempfile
    >>> from trainer.runs import RunFolder, load
    >>> with RunFolder(tempfile.mkdtemp(), "mlp", resolved={"seed": 7}) as run:
    ...     pass
    >>> load(run.path).status, load(run.path).config
    ('finished', {'seed': 7})
    """
    path = expanded(folder)
    if (path / "status.json").is_file():
        return Run(path)
    if path.is_dir():
        inside = sorted(entry.parent.name for entry in path.glob("*/status.json"))
        hint = f"; it holds the runs {', '.join(inside[-5:])}" if inside else ""
        raise DataError(f"{path} is not a run folder: there is no status.json in it{hint}")
    siblings = [entry.parent.name for entry in path.parent.glob("*/status.json")]
    near = nearest(path.name, siblings)
    raise DataError(f"there is no run folder {path}" + (f"; did you mean {path.parent / near}?" if near else ""))


def _mapping(path: Path, content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no mapping but {describe(content)}")
    return content
