"""How far a training has come, and whose arrays those are.

Most steps leave θ where it lies, in the memory of their program: so it is there once, however large it is, and what
they lend is read before the next of them. Who keeps a state, or asks for θ, has a copy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainer.errors import UsageError
from trainer.training.records import Best
from trainer.training.runners import Runner
from trainer.training.state import TrainingState
from trainer.types import Array

__all__ = ["Standing"]


class Standing:
    """The state of a training, which its runner moves."""

    _runner: Runner
    _state: TrainingState
    _lent: bool
    _kept: TrainingState | None  # a copy of what is lent, once somebody has asked for it
    _fresh: bool  # whether it stands at its beginning, which can be made again

    def _settle(self, state: TrainingState, *, lent: bool = False) -> None:
        """Stand there; with arrays that are lent until the next step, or that nobody writes to."""
        self._state, self._lent, self._runner.whole = state, lent, True
        self._kept, self._fresh = None, False

    def _change(self, **changes: Any) -> None:
        self._settle(replace(self.now, **changes), lent=self._lent)

    @property
    def state(self) -> TrainingState:
        """How far it has come, a value that stays as it is; `resume` goes on from such a one."""
        if self._lent and self._kept is None:
            self._kept = self.now.kept()
        return self._kept or self.now

    @property
    def now(self) -> TrainingState:
        """The same, for whoever reads it before the next step, which may write over its arrays.

        Raises UsageError where an error came in the midst of steps that do, which leaves nothing to go on from.
        """
        if not self.whole:
            raise UsageError("an error has left a step half done; resume from a state that was taken before")
        return self._state

    @property
    def whole(self) -> bool:
        """Whether `now` is the state after some step."""
        return self._runner.whole

    def moved(self, step: int) -> bool:
        """Whether what was lent after this step is written over by those that follow."""
        return self._lent and not (self.whole and step == self.step)

    def let_go(self) -> None:
        """Give up what is there for steps alone, such as the gradient; where more are taken it is made again."""
        self._runner.let_go()
        self._lent = False

    @property
    def theta(self) -> Array:
        """θ, one vector."""
        return self.state.theta

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self._state.step

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self._state.epoch

    @property
    def best(self) -> Best | None:
        """The best epoch so far, where `stopping` keeps it."""
        return self._state.best

    @property
    def ended(self) -> str | None:
        """Why training ended before its last epoch."""
        return self._state.ended
