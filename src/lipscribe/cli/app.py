"""All subcommands under one name, and what every error becomes: one line and an exit code."""

import functools
import os
import sys
from collections.abc import Callable

import typer

from lipscribe.cli.calibrate import calibrate
from lipscribe.cli.demo import demo
from lipscribe.cli.evaluate import evaluate
from lipscribe.cli.inspect import inspect
from lipscribe.cli.models import models
from lipscribe.cli.prepare import prepare
from lipscribe.cli.talk import talk
from lipscribe.cli.train import train
from lipscribe.cli.transcribe import transcribe
from lipscribe.errors import LipscribeError

app = typer.Typer(
    name="lipscribe",
    help="Reads the words from a video of a person speaking, by the picture alone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """The edge of the program: whatever a command raises is said in one line, and its result is the exit code."""

    @functools.wraps(command)
    def run(*args, **kwargs) -> None:
        raise typer.Exit(_run(lambda: command(*args, **kwargs)))

    return run


def _run(command: Callable[[], int | None]) -> int:
    try:
        return command() or 0
    except (typer.Exit, typer.BadParameter):
        raise
    except LipscribeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("LIPSCRIBE_DEBUG"):
            raise
        reason = " ".join(str(error).split()) or "no message"
        print(
            f"error: unexpected {type(error).__name__}: {reason} (set LIPSCRIBE_DEBUG=1 to see where, and report it)",
            file=sys.stderr,
        )
        return 1


for _command in (transcribe, inspect, demo, talk, prepare, train, evaluate, calibrate, models):
    app.command()(_guarded(_command))


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from lipscribe import __version__

        typer.echo(f"lipscribe {__version__}")
        raise typer.Exit()
