"""The command `trainer`, and what becomes of its errors."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from trainer.cli.paths import with_home
from trainer.cli.plugin_commands import Commands
from trainer.cli.terminal.unread import drop_output, prepare_streams, say_error
from trainer.errors import PluginError, TrainerError
from trainer.wording import lacking

__all__ = ["app", "main"]

app = typer.Typer(
    name="trainer",
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,  # a traceback that prints every array helps nobody
    help="Train the network that a YAML file declares, with operations that anyone can add.",
    epilog="Start with: trainer init, then trainer run mlp.yaml",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command. Exits with 0, 1, 2 (usage, config), 3 (diverged) or 130 (Ctrl-C).

    What a person can mend is printed without a traceback, which --debug adds where a plugin's own code failed. Anything
    else is a bug here, and keeps its traceback.
    """
    prepare_streams()
    given = [with_home(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    try:
        app(args=given, prog_name="trainer")
    except TrainerError as error:
        if error.__cause__ is not None and "--debug" in given:
            import traceback

            traceback.print_exception(error.__cause__)
        more = "; the rest with --debug" if _has_more(error, given) else ""
        say_error(f"{_told(error)}{more}")
        sys.exit(error.exit_code)
    except MemoryError as error:
        say_error(f"{lacking(error)}; a smaller batch_size takes less, fewer units do, and images of a smaller size")
        sys.exit(1)
    except OSError as error:  # a folder that may not be read, a disk that is full; what it was about is all one can say
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        what = "the output" if error.filename is None else error.filename
        say_error(f"{what}: {error.strerror}")
        drop_output()
        sys.exit(1)


def _has_more(error: TrainerError, arguments: Sequence[str]) -> bool:
    """Whether somebody else's code failed, in a command that can show where."""
    return (
        isinstance(error, PluginError)
        and error.__cause__ is not None
        and "--debug" not in arguments
        and arguments[:1] in (["run"], ["resume"])
    )


def _told(error: TrainerError) -> str:
    """The message, with what to try as one types it here."""
    if not error.hints:
        return str(error)  # without the imports: a typing error gets its answer at once
    from trainer.config.overrides import spelt

    return error.told(spelt)


def _version(asked: bool) -> None:
    if asked:
        from trainer import __version__

        typer.echo(f"tape-trainer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
