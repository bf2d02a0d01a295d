"""The parameters of an earlier run in the place of a network's own, where an index means there what it means here.

The first layers read columns by their place, and the last give classes by theirs. So the names of both are compared
with those that the run has kept, and parameters that would be of other columns or classes are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.data.prepared import Prepared
from trainer.data.preprocessing.scaling import Scaling
from trainer.data.spec import InputSpec, TargetSpec
from trainer.experiment.model import target_scaling
from trainer.files import expanded
from trainer.nn.network import Network, matching
from trainer.runs.parameters import Saved, load_parameters
from trainer.types import Array, Shape
from trainer.wording import in_yaml

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import StartConfig

__all__ = ["differs", "initial_values"]


def initial_values(
    loaded: LoadedConfig, given: StartConfig, network: Network, data: Prepared, own: Mapping[str, Array]
) -> dict[str, Array]:
    """The values of `start_from` that take the place of the network's own. Raises ConfigError where none can."""
    with loaded.at("start_from"):
        saved = _saved(given)
    with loaded.at("start_from", "parameters"):
        wanted = matching(given.parameters, list(saved.parameters))
    common = {name: value for name, value in saved.parameters.items() if name in wanted and name in own}
    place = ("start_from",)
    if not common:
        names = f"there: {', '.join(saved.parameters) or 'none'}; here: {', '.join(own) or 'none'}"
        raise loaded.error(place, f"no parameter there has the name of one here ({names})")
    differences = [*_misshapen(common, own), *_differences(saved, data, *_at_the_ends(network))]
    wrong = [(text, of & common.keys()) for text, of in differences if of & common.keys()]
    if wrong:
        others = _others(common, set().union(*(of for _, of in wrong)))
        path, folder = Path(given.path), loaded.path.parent.absolute()
        written = in_yaml(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
        hint = f"; take the other layers alone, start_from: {{path: {written}, parameters: [{', '.join(others)}]}}"
        raise loaded.error(place, wrong[0][0] + (hint if others else ""))
    return common


def _others(names: Iterable[str], wrong: Collection[str]) -> list[str]:
    """A pattern, in quotes, for each layer of these parameters that none of the wrong ones is of."""
    layers = dict.fromkeys(name.partition(".")[0] for name in names)
    return [f"'{layer}.*'" for layer in layers if layer not in {name.partition(".")[0] for name in wrong}]


def _misshapen(common: Mapping[str, Array], own: Mapping[str, Array]) -> Iterator[tuple[str, set[str]]]:
    """Parameters of another shape."""
    for name, value in common.items():
        if value.shape != own[name].shape:
            yield f"'{name}' has shape {value.shape} there, and {own[name].shape} in this network", {name}


def differs(loaded: LoadedConfig, data: Prepared) -> Iterator[str]:
    """What a person should know of parameters that learnt from inputs of another scale."""
    if loaded.config.start_from is not None:
        saved = _saved(loaded.config.start_from)
        there, here = _changed(saved.scaling, bool(saved.steps)), _changed(data.scaling, data.preprocessing is not None)
        if "model" not in saved.metadata:
            return
        if there != here:
            yield f"start_from: the inputs of that run were {there}, and here they are {here}"
        there, here = _scaled(target_scaling(saved.metadata["model"])), _scaled(data.target_scaling)
        if there != here:
            yield f"start_from: the targets of that run were {there}, and here they are {here}"


def _changed(scaling: object, steps: bool) -> str:
    return "standardised" if scaling is not None else "preprocessed" if steps else "as they are in the data"


def _scaled(scaling: Scaling | None) -> str:
    """What was done to targets, in words; of the same numbers the same."""
    if scaling is None:
        return "as they are in the data"
    mean, scale = (", ".join(f"{value:.6g}" for value in numbers.tolist()) for numbers in (scaling.mean, scaling.scale))
    return f"standardised by mean {mean} and deviation {scale}"


def _saved(given: StartConfig) -> Saved:
    path = expanded(given.path)
    file = path / "parameters.safetensors" if path.is_dir() else path
    return load_parameters(file, foreign=file is path)


def _differences(saved: Saved, data: Prepared, reading: set[str], giving: set[str]) -> Iterator[tuple[str, set[str]]]:
    """What an index means there and not here, each with the parameters that it is an index of."""
    about: Mapping[str, Any] | None = saved.metadata.get("model")
    if about is None or data.takes is None or data.gives is None:
        return
    takes, gives = InputSpec.from_plain(about["inputs"]), TargetSpec.from_plain(about["targets"])
    if takes.named and data.takes.named:
        yield from ((text, reading) for text in _first("column", takes.feature_names, data.takes.feature_names))
        yield from ((text, reading) for text in _first("input", about["layout"]["feature_names"], data.feature_names))
    for name, texts in takes.categories.items():
        if name in data.takes.categories and name in takes.feature_names:
            for text in _first("category", texts, data.takes.categories[name]):
                yield f"column '{name}': {text}", reading
    per_position = data.train.targets.ndim == 2 and bool(data.class_names)  # inputs are then of the same vocabulary
    for text in _first("class", gives.class_names, data.gives.class_names):
        yield text, reading | giving if per_position else giving
    if len(gives.names) > 1:
        yield from ((text, giving) for text in _first("target", gives.names, data.gives.names))


def _first(what: str, there: Sequence[str], here: Sequence[str]) -> Iterator[str]:
    """The first place at which the names are not the same."""
    for i, (one, other) in enumerate(zip(there, here, strict=False)):
        if one != other:
            order = "; the others differ in their order alone" if sorted(there) == sorted(here) else ""
            yield f"{what} {i} is {one!r} there, and {other!r} here{order}"
            return
    if len(there) != len(here):
        longer, has = (there, "there alone") if len(there) > len(here) else (here, "here alone")
        yield f"{what} {longer[min(len(there), len(here))]!r} is {has}"


def _at_the_ends(network: Network) -> tuple[set[str], set[str]]:
    """The parameters that are about single inputs, and those that are about single outputs.

    From either end, what works element by element leaves the places what they are, and the first that does not is the
    last that is about them.
    """
    names = [list(_leaves(tree)) for tree in network.trees]
    shapes = {name: value.shape for name, value in network.initial_values(0).items()}
    before: list[Shape] = [network.input_shape, *network.shapes]
    reading = _until_mixed(names, shapes, before)
    return reading, _until_mixed(names[::-1], shapes, network.shapes[::-1])


def _until_mixed(names: Sequence[list[str]], shapes: Mapping[str, Shape], beside: Sequence[Shape]) -> set[str]:
    found: set[str] = set()
    for own, shape in zip(names, beside, strict=False):
        found |= set(own)
        if any(shapes.get(name, shape) != shape for name in own):
            break
    return found


def _leaves(tree: object) -> Iterator[str]:
    """The names of all parameters of a layer, wherever they stand in it."""
    if isinstance(tree, str):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ():
        yield from _leaves(part)
