"""A pytest plugin: every op of a plugin becomes a test of its own.

Enable it with `-p trainer.checker.pytest_plugin`, or in conftest.py:

    pytest_plugins = ["trainer.checker.pytest_plugin"]

and name the plugins in pytest's settings, as files beside these settings or as modules:

    [tool.pytest.ini_options]
    trainer_ops = ["my_ops.py", "my_package"]

    my_ops.py::op swish PASSED

`--trainer-quick` checks one sample of each op. It is no entry point: who installs this project for something else gets
no pytest plugin with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.checker.library import ops_of
from trainer.checker.run import check
from trainer.engine.op import Op
from trainer.errors import RuleError, TrainerError

__all__ = ["OpItem", "PluginNode"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting and the option."""
    parser.addini("trainer_ops", "plugins whose ops are checked, a test each: files or modules", type="args")
    parser.addoption(
        "--trainer-quick", action="store_true", default=False, help="check one sample of each op instead of all"
    )


class OpItem(pytest.Item):
    """The check of one op."""

    def __init__(self, *, op: Op, **options: Any) -> None:
        super().__init__(**options)
        self._op = op
        self.add_marker("trainer_op")

    def runtest(self) -> None:
        """Check it; RuleError carries the report."""
        check(self._op, quick=self.config.getoption("--trainer-quick")).raise_()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report itself, without a traceback through the checker."""
        if isinstance(excinfo.value, RuleError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where a failure is said to be: the plugin."""
        return self.path, None, f"op {self._op.name}"


class PluginNode(pytest.Collector):
    """A plugin, whose items are its ops."""

    def __init__(self, *, source: str, folder: Path, **options: Any) -> None:
        super().__init__(**options)
        self._source = source
        self._folder = folder

    def collect(self) -> Iterator[OpItem]:
        """An item per op that the plugin registers."""
        try:
            found = ops_of(self._source, folder=self._folder)
        except TrainerError as error:
            raise self.CollectError(str(error)) from None
        for name, component in found.items():
            yield OpItem.from_parent(self, name=f"op {name}", op=component.target)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, so that `-m trainer_op` selects these tests."""
    config.addinivalue_line("markers", "trainer_op: the check of an op that `trainer_ops` names")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the items, before options such as `-k` and `-m` select among all."""
    folder = config.rootpath
    for source in config.getini("trainer_ops"):
        path = (folder / source) if source.endswith(".py") else folder
        node = PluginNode.from_parent(session, name=source, nodeid=source, path=path, source=source, folder=folder)
        try:
            items.extend(node.collect())
        except node.CollectError as error:
            raise pytest.UsageError(str(error)) from None
