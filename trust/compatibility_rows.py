"""How the rows of `trust.compatibility` run commands, and how they say that one failed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIPSCRIBE = (sys.executable, "-m", "lipscribe")


class Failed(Exception):
    """A row failed, for this reason."""


class LeftOut(Exception):
    """What a row needs is not here."""


def run(
    command: Sequence[Any],
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    clean: bool = False,
    code: int | None = 0,
    timeout: float = 300,
    encoding: str = "utf-8",
) -> str:
    """Runs a command; its stdout, or where any exit code will do all that it said.

    Args:
        env: Added to this process's variables, or with `clean` instead of them.
        code: The exit code that is wanted; None is any but 0.

    Raises:
        Failed: It ended otherwise, with its last lines.
    """
    variables = dict(env or {}) if clean else os.environ | dict(env or {})
    variables["PYTHONPATH"] = str(ROOT / "src") if str(command[0]) != "chroot" else ""
    if "lipscribe-compatibility-" in str(command[0]):  # an environment of its own, where it is installed
        del variables["PYTHONPATH"]
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=variables, capture_output=True, timeout=timeout, check=False
    )
    stdout, stderr = done.stdout.decode(encoding, "replace"), done.stderr.decode(encoding, "replace")
    if (code is None and done.returncode == 0) or (code is not None and done.returncode != code):
        shown = " ".join(str(part) for part in command)[-150:]
        raise Failed(f"exit code {done.returncode} of {shown}: {(stderr or stdout)[-500:]}")
    if "Traceback" in stderr:
        raise Failed(stderr[-500:])
    return stdout if code is not None else stdout + stderr


def lipscribe(*arguments: Any, **how: Any) -> str:
    """Runs `lipscribe` with the arguments; see `run`."""
    return run([*LIPSCRIBE, *arguments], **how)
