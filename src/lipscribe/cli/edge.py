"""Error handling: every error of a command, or of one of its videos, becomes one line and an exit code."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lipscribe.cli.notes import show_notes
from lipscribe.errors import FULL, LipscribeError
from lipscribe.extras import missing_extra

_GONE = (errno.EROFS, errno.ENOENT, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, getattr(errno, "ESTALE", 0))


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Wraps a command: its errors become one line each, and its result the exit code."""

    import typer  # here, since workers import this module and have no use for it

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        if "ctx" in kwargs and kwargs["ctx"].invoked_subcommand:  # the subcommand runs instead of the group
            return
        show_notes()
        raise typer.Exit(_run(lambda: command(*args, **kwargs)))

    return run


class Failures:
    """Failures of a batch: each is printed and counted, and the rest of the batch is processed.

    Args:
        to_stdout: Results go to stdout, so an error in writing affects all results and ends the batch.
    """

    def __init__(self, to_stdout: bool):
        self.to_stdout = to_stdout
        self.names: list[str] = []

    @contextmanager
    def one(self, name: str, temporary: str | None = None) -> Iterator[None]:
        """Runs one item of the batch; `temporary` is another name for it in errors."""
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and self.to_stdout:
                raise
            message = str(error) if isinstance(error, LipscribeError) else _described(error)
            message = message.replace(temporary, name) if temporary else message
            print(f"error: {message if message.startswith(f'{name}:') else f'{name}: {message}'}", file=sys.stderr)
            self.names.append(name)

    def exit_code(self, total: int, what: str = "videos") -> int:
        """Lists the failures of a batch, and returns 0 for none, 2 if all failed, else 1."""
        if self.names and total > 1:
            names = ", ".join(self.names)
            print(f"{len(self.names)} of {total} {what} could not be read or written: {names}", file=sys.stderr)
        return 0 if not self.names else 2 if len(self.names) == total else 1


def _run(command: Callable[[], int | None]) -> int:
    import typer

    try:
        code = command() or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # reports write errors here, not at Python's exit
        return code
    except (typer.Exit, typer.BadParameter):
        raise
    except LipscribeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)
        return 1
    except OSError as error:
        return system_error(error)
    except ModuleNotFoundError as error:
        print(f"error: {_described(error)}", file=sys.stderr)
        return 2 if missing_extra(error) else 1
    except Exception as error:
        print(f"error: {_described(error)}", file=sys.stderr)
        return 1


def system_error(error: OSError) -> int:
    """Says in one line what the system refused, and gives the exit code."""
    if isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has exited
        _drop_stdout()
        return 0
    if error.errno in FULL:
        _drop_stdout()
    print(f"error: {_described(error)}", file=sys.stderr)
    return 2 if error.errno in (*FULL, errno.ENAMETOOLONG) else 1


def _described(error: Exception) -> str:
    """One line for an unexpected error; with LIPSCRIBE_DEBUG it is raised instead."""
    if isinstance(error, OSError) and error.errno in FULL:
        what = "the disk is full" if error.errno == errno.ENOSPC else "your share of the disk (quota) is used up"
        return f"{what}: make room, or write to another disk"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{error.filename}: the name is too long for the system: give a shorter one"
    if os.environ.get("LIPSCRIBE_DEBUG"):
        raise error
    if isinstance(error, ModuleNotFoundError) and (extra := missing_extra(error)):
        return str(extra)
    if isinstance(error, OSError) and error.errno in _GONE and error.filename:
        return (
            f"{error.filename} cannot be used any more ({error.strerror}): see whether its disk is there and can be "
            "written, and run the same command again"
        )
    reason = " ".join(str(error).split()) or "no message"
    return f"unexpected {type(error).__name__}: {reason} (set LIPSCRIBE_DEBUG=1 to see where, and report it)"


def _drop_stdout() -> None:
    """Discards output buffered for a closed stdout, so that Python exits quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
