"""Options of the command line that are settings of the config: `--epochs 3` is `epochs=3`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from trainer.errors import UsageError

__all__ = ["ConfigCommand"]


class ConfigCommand(TyperCommand):
    """A command on a config, which says how a setting is written that was given as an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        for i, argument in enumerate(args):
            name, equals, value = argument.partition("=")
            key = name[2:].replace("-", "_")
            if not argument.startswith("--") or name in own or not key.replace("_", "").replace(".", "").isalnum():
                continue
            following = args[i + 1] if i + 1 < len(args) else ""
            given = value if equals else "..." if following.startswith("-") or not following else following
            if _is_setting(key):
                raise UsageError(f"there is no option {name}; a setting of the config is written {key}={given}")
        return super().parse_args(ctx, args)


def _is_setting(key: str) -> bool:
    """Whether the config has such a key, or one that other libraries call so."""
    from trainer.config.overrides import SHORT
    from trainer.config.schema import Config
    from trainer.config.synonyms import KEYS, exactly

    return key in SHORT or exactly(key.split(".")[0], list(Config.model_fields), KEYS) is not None
