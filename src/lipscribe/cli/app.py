"""All subcommands under one name, and what every error becomes: one line and an exit code."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
import typer.core

from lipscribe.cli.calibrate import calibrate
from lipscribe.cli.configs import configs, copy
from lipscribe.cli.demo import demo
from lipscribe.cli.evaluate import evaluate
from lipscribe.cli.explain import explain
from lipscribe.cli.inspect import inspect
from lipscribe.cli.label import label
from lipscribe.cli.models import import_model, models, pull, remove
from lipscribe.cli.prepare import prepare
from lipscribe.cli.talk import talk
from lipscribe.cli.train import train
from lipscribe.cli.transcribe import transcribe
from lipscribe.errors import LipscribeError

# What Typer raises for wrong arguments. It carries Click under a private name, or uses Click's own, by its version.
_UsageError = typer.BadParameter.__mro__[1]
_TYPERS_INTERRUPT = 130  # its exit code for a Ctrl-C that comes outside of a command


class _Group(typer.core.TyperGroup):
    """Says what is wrong with the arguments in one line, where Typer would draw a box."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs the command line; `standalone_mode` exits with its code."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
            if code == _TYPERS_INTERRUPT:
                raise KeyboardInterrupt
            sys.exit(code)
        except _UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                print(error.ctx.get_help())
            else:
                print(f"error: {_one_line(error)}", file=sys.stderr)
            sys.exit(2)


def _one_line(error: Exception) -> str:
    command = error.ctx.command_path if error.ctx else "lipscribe"
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    return f"{message} (see `{command} --help`)"


app = typer.Typer(
    name="lipscribe",
    cls=_Group,
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
        if "ctx" in kwargs and kwargs["ctx"].invoked_subcommand:  # which is what was meant, not the group itself
            return
        raise typer.Exit(_run(lambda: command(*args, **kwargs)))

    return run


def _run(command: Callable[[], int | None]) -> int:
    try:
        code = command() or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # what cannot be written is told here, not by Python on its way out
        return code
    except (typer.Exit, typer.BadParameter):
        raise
    except LipscribeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        _drop_stdout()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _unexpected(error)
        _drop_stdout()
        print("error: there is no space left to write to: make room, or write to another disk", file=sys.stderr)
        return 2
    except Exception as error:
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    if os.environ.get("LIPSCRIBE_DEBUG"):
        raise error
    reason = " ".join(str(error).split()) or "no message"
    print(
        f"error: unexpected {type(error).__name__}: {reason} (set LIPSCRIBE_DEBUG=1 to see where, and report it)",
        file=sys.stderr,
    )
    return 1


def _drop_stdout() -> None:
    """What is still buffered for a stdout that takes no more goes nowhere, so that Python's own end is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


for _command in (transcribe, inspect, explain, demo, talk, prepare, label, train, evaluate, calibrate):
    app.command()(_guarded(_command))

_GROUPS = {  # each is a command too, which lists
    "models": (models, {"pull": pull, "import": import_model, "remove": remove}),
    "configs": (configs, {"copy": copy}),
}
for _name, (_listing, _commands) in _GROUPS.items():
    _group = typer.Typer(invoke_without_command=True)
    _group.callback()(_guarded(_listing))
    for _word, _command in _commands.items():
        _group.command(_word)(_guarded(_command))
    app.add_typer(_group, name=_name)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from lipscribe import __version__

        typer.echo(f"lipscribe {__version__}")
        raise typer.Exit()
