"""All subcommands under one name, and one line for wrong arguments."""

import sys
from typing import Any

import typer
import typer.core

from lipscribe.cli.adapt import adapt
from lipscribe.cli.align import align
from lipscribe.cli.calibrate import calibrate
from lipscribe.cli.caption import caption
from lipscribe.cli.clips import clips
from lipscribe.cli.configs import configs, copy
from lipscribe.cli.demo import demo
from lipscribe.cli.download import download
from lipscribe.cli.edge import guarded, system_error
from lipscribe.cli.evaluate import evaluate
from lipscribe.cli.explain import explain
from lipscribe.cli.export import export
from lipscribe.cli.inspect import inspect
from lipscribe.cli.label import label
from lipscribe.cli.live import live
from lipscribe.cli.models import import_model, models, pull, remove
from lipscribe.cli.prepare import prepare
from lipscribe.cli.serve import serve
from lipscribe.cli.talk import talk
from lipscribe.cli.train import train
from lipscribe.cli.transcribe import transcribe

# Typer's exceptions for wrong arguments. By version it vendors Click under a private name or uses Click itself.
_UsageError: Any = typer.BadParameter.__mro__[1]
_TYPERS_INTERRUPT = 130  # its exit code for a Ctrl-C that comes outside of a command


class _Group(typer.core.TyperGroup):
    """Reports wrong arguments in one line instead of Typer's box."""

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
        except OSError as error:  # in writing help, outside of a command
            sys.exit(system_error(error))


def _one_line(error: Any) -> str:
    command = error.ctx.command_path if error.ctx else "lipscribe"
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    return f"{message} (see `{command} --help`)"


app = typer.Typer(
    name="lipscribe",
    cls=_Group,
    help="Reads the words from a video of a person speaking, by the picture alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    transcribe,
    live,
    caption,
    inspect,
    explain,
    serve,
    demo,
    talk,
    download,
    prepare,
    label,
    align,
    clips,
    train,
    adapt,
    evaluate,
    calibrate,
    export,
):
    app.command()(guarded(_command))

_GROUPS = {  # each is a command too, which lists
    "models": (models, {"pull": pull, "import": import_model, "remove": remove}),
    "configs": (configs, {"copy": copy}),
}
for _name, (_listing, _commands) in _GROUPS.items():
    _group = typer.Typer(invoke_without_command=True)
    _group.callback()(guarded(_listing))
    for _word, _command in _commands.items():
        _group.command(_word)(guarded(_command))
    app.add_typer(_group, name=_name)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from lipscribe import __version__

        typer.echo(f"lipscribe {__version__}")
        raise typer.Exit()
