"""The folder of a run: whose run it is, and that one process at a time writes to it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lipscribe.atomic import remove_partial, write_text
from lipscribe.errors import ConfigError
from lipscribe.resumable import differences, locked
from lipscribe.schema import from_dict, to_dict, without_unused
from lipscribe.training.config import TrainConfig
from lipscribe.training.config_file import parse_yaml
from lipscribe.training.fabric import rank_zero_only

CONFIG_FILE = "config.yaml"
RESUME_FILE = "last.ckpt"
LAUNCH_FILE = ".launch"


@contextlib.contextmanager
def run_folder(config: TrainConfig, resume: bool, restarted: bool = False) -> Iterator[tuple[Path, bool]]:
    """Makes a run's folder, or checks that it is this run's, and keeps other processes from it within the block.

    A run may be resumed with more epochs, and after its folder was moved; all other settings have to be the same.

    Args:
        restarted: The launcher has started the run before, which is then resumed if it came so far.

    Yields:
        The folder, and whether to resume.

    Raises:
        ConfigError: The folder holds another run, one that is not resumed, or none to resume; or cannot be written.
        LipscribeError: Another process is writing to it.
    """
    output = Path(config.output)
    # The first of several processes has the folder.
    if rank_zero_only.rank != 0:  # pyright: ignore[reportFunctionMemberAccess]  Lightning sets it on the function
        yield output, resume
        return
    if restarted and _launched(output) == _launch():
        resume = (output / RESUME_FILE).exists()
    if resume and not output.is_dir():
        raise ConfigError(f"{output} has no run to resume: leave out --resume")
    resume = resume and (output / RESUME_FILE).exists()  # killed before its first state: it begins again
    with contextlib.ExitStack() as stack:
        try:
            output.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(output))
            _check(output, config, resume)
            remove_partial(output)
            write_text(output / CONFIG_FILE, yaml.safe_dump(to_dict(config), sort_keys=False))
            if _launch() is not None:
                write_text(output / LAUNCH_FILE, str(_launch()))
        except OSError as error:
            raise ConfigError(f"output {output} cannot be written ({error.strerror}): set another output") from None
        yield output, resume


def _launch() -> str | None:
    """What is the same for a process and its successors, which a launcher starts if it fails: the launcher itself."""
    env = os.environ
    if run := env.get("LIPSCRIBE_RUN_ID") or env.get("SLURM_JOB_ID"):
        return run
    return f"{env['TORCHELASTIC_RUN_ID']} {os.getppid()}" if "TORCHELASTIC_RUN_ID" in env else None


def _launched(output: Path) -> str | None:
    path = output / LAUNCH_FILE
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _check(output: Path, config: TrainConfig, resume: bool) -> None:
    path = output / CONFIG_FILE
    if not resume:
        if (output / RESUME_FILE).exists():
            raise ConfigError(f"{output} holds a run already: add --resume to resume it, or set another output")
        return
    try:
        data = without_unused(TrainConfig, parse_yaml(path.read_text(encoding="utf-8")))  # of an older version
        found = _comparable(from_dict(TrainConfig, data, str(path)))
    except (FileNotFoundError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read ({reason}): set another output") from None
    if other := differences(found, _comparable(config)):
        raise ConfigError(
            f"{path} differs from the config given ({'; '.join(other)}): resume with the same settings, of which only "
            "the number of epochs, data.workers and who computes the same number of parts may change, or set another "
            "output"
        )


def _comparable(config: TrainConfig) -> dict[str, Any]:
    settings = to_dict(config)
    del settings["output"], settings["optim"]["epochs"], settings["optim"]["steps"], settings["model"]["format_version"]
    for name in ("workers", "cache", "shard_cache", "shard_cache_gb"):  # they change no batch
        del settings["data"][name]
    del settings["checkpoint_every"], settings["devices"], settings["num_nodes"], settings["optim"]["accumulate"]
    return settings | {"devices x num_nodes x optim.accumulate": config.shares}
