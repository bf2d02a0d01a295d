"""What a config says of `trainer sweep`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.config.sections import SectionModel

__all__ = ["SweepConfig"]


class SweepConfig(SectionModel):
    """Trials of `trainer sweep`: what is varied, how the values are chosen, and which trials go on to the end."""

    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Keys as on the command line, with the values that each takes: a list, low..high for every whole "
        "number between the two, low..high:step, or {low: 1e-4, high: 1e-1, log: true} to draw from.",
    )
    sampler: Literal["grid", "random", "latin_hypercube", "tpe", "gp", "cma_es"] | None = Field(
        None,
        description="Which values make a trial: all with all (grid, the default), drawn (random, the default where a "
        "range has no steps), spread evenly (latin_hypercube), or proposed by Optuna, of the optuna extra.",
    )
    trials: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many trials are drawn or proposed; a grid has as many as it has."
    )
    pruner: Literal["successive_halving", "median", "asha", "hyperband"] | None = Field(
        None,
        description="Which trials are given up early: after so many epochs all but the best share "
        "(successive_halving), or as Optuna's pruner says.",
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        3, description="Of how many trials one goes on, for so many times the epochs."
    )
    min_epochs: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Epochs before the first comparison; by default those of the run over the square of "
        "reduction_factor.",
    )
    metric: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The number that trials are judged by, accuracy or test_accuracy; by default that of stop."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of the sampler's draws.")
