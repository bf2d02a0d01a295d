"""A file per command, named as the command. What is known of each without its file stands here.

A command is a function `command` or a Typer app `group`, and is imported when it is called or listed.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "About"]


class About(NamedTuple):
    """One command.

    Attributes:
        on_config: it takes a config, whose settings are written behind it.
        hidden: no list has it.
    """

    on_config: bool = False
    hidden: bool = False


COMMANDS = {
    "run": About(on_config=True),
    "sweep": About(on_config=True),
    "compare": About(),
    "resume": About(),
    "evaluate": About(),
    "explain": About(on_config=True),
    "plot": About(),
    "report": About(),
    "predict": About(),
    "export": About(),
    "validate": About(on_config=True),
    "find-step-size": About(on_config=True),
    "overfit": About(on_config=True),
    "show": About(on_config=True),
    "list": About(),
    "datasets": About(),
    "plugins": About(),
    "help": About(),
    "schema": About(),
    "init": About(),
    "serve": About(),
    "attempt": About(hidden=True),
    "submit": About(on_config=True),
    "watch": About(),
    "cancel": About(),
    "fetch": About(),
    "login": About(),
    "runs": About(),
    "ops": About(),
}
