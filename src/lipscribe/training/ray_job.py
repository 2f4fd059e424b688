"""A training whose processes are Ray actors (extra `ray`).

Each actor sets what torchrun would set and runs the same loop. Ray places them; all else, also what is to be resumed,
is as with any other launcher.
"""

import contextlib
import os
import socket
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.training.config import TrainConfig
from lipscribe.units import Seconds

PLACING: Seconds = 60.0  # for the cluster to have room for all processes
GRACE: Seconds = 5.0  # for a process that fails to say why, after the others have noticed
MAX_LOADERS = 8  # processes that make batches, of one training process


@dataclass(frozen=True)
class Ended:
    """How a process of the training has ended.

    Attributes:
        kind: "done", "refused" (there is no use in another attempt) or "lost" (by another process's end).
        text: The model's folder, or what is wrong.
    """

    kind: str
    text: str


def train_on_ray(
    config: TrainConfig,
    num_workers: int,
    address: str | None = None,
    max_restarts: int = 0,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    """Trains a model by processes on a Ray cluster, on whose machines the config's paths have to be the same.

    Args:
        address: See `ray_engine`.
        max_restarts: How often all processes are started again after one was lost; each time the run is resumed.
        say: Called with the lines of the first process, and when processes are started again.

    Raises:
        ClusterError: The cluster cannot be reached, or has other versions.
        ConfigError: It has no room for so many processes.
        LipscribeError: What `train` raises, or a process was lost once more than `max_restarts`.
    """
    from lipscribe.engines.ray_cluster import ray_engine

    config = replace(config, devices=1, num_nodes=num_workers)
    if faults := config.faults():
        raise ConfigError("; ".join(faults))
    run_id, ended = uuid.uuid4().hex, Ended("lost", "")
    with ray_engine(address, num_workers if address is None else None):
        for attempt in range(max_restarts + 1):
            ended = _attempt(config, num_workers, run_id, attempt, resume, say)
            if ended.kind == "done":
                return Path(ended.text)
            if ended.kind == "refused":
                break
            if attempt < max_restarts:
                say(f"{ended.text}; attempt {attempt + 2} of {max_restarts + 1} continues after the last state kept")
    raise LipscribeError(ended.text)


def _attempt(
    config: TrainConfig, num_workers: int, run_id: str, attempt: int, resume: bool, say: Callable[[str], None]
) -> Ended:
    import ray
    from ray.exceptions import RayError
    from ray.util import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    cpus, gpus = _each(config, num_workers)
    group = placement_group([{"CPU": cpus, **({"GPU": gpus} if gpus else {})}] * num_workers, strategy="PACK")
    workers: list[Any] = []
    try:
        if not group.wait(PLACING):
            raise ConfigError(
                f"the cluster has no room for {num_workers} processes of {cpus} processors"
                f"{' and a GPU' if gpus else ''}: give a smaller --num-workers or data.workers (see `ray status`)"
            )
        needs: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0, "max_concurrency": 2}
        actor = ray.remote(**needs)(_Process)
        place = PlacementGroupSchedulingStrategy(group)
        here = str(Path.cwd()), tuple(sys.path)
        workers = [actor.options(scheduling_strategy=place).remote(*here) for _ in range(num_workers)]
        host, port = ray.get(workers[0].address.remote())
        settings = {
            "MASTER_ADDR": host,
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(num_workers),
            "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1",
            "TORCHELASTIC_RUN_ID": run_id,
            "LIPSCRIBE_RUN_ID": run_id,
            "LIPSCRIBE_RESTART_COUNT": str(attempt),
        }
        config = replace(config, data=replace(config.data, workers=cpus - 1))
        running = [
            worker.run.remote(settings | {"RANK": str(rank), "GROUP_RANK": str(rank)}, config, resume)
            for rank, worker in enumerate(workers)
        ]
        return _outcome(running, workers[0], say)
    except RayError as error:
        why = " ".join(str(error).split())[:200]
        return Ended("lost", f"a process of the training was lost ({type(error).__name__}: {why})")
    finally:
        for worker in workers:
            with contextlib.suppress(Exception):  # it may be gone
                ray.kill(worker)
        remove_placement_group(group)


def _each(config: TrainConfig, num_workers: int) -> tuple[int, int]:
    """Processors and GPUs of each process: one to train, and one for each process that makes batches."""
    import ray

    there = ray.cluster_resources()
    fair = int(there.get("CPU", 1)) // num_workers - 1
    loaders = min(max(fair, 0), MAX_LOADERS) if config.data.workers is None else config.data.workers
    return 1 + loaders, int(there.get("GPU", 0) >= num_workers)


def _outcome(running: list[Any], first: Any, say: Callable[[str], None]) -> Ended:
    """Waits for all to be done, or for the first that fails."""
    import ray

    waiting, found = list(running), Ended("done", "")
    while waiting and found.kind == "done":
        ready, waiting = ray.wait(waiting, timeout=1)
        for line in ray.get(first.said.remote()):
            say(line)
        for call in ready:
            found = ray.get(call)
    if found.kind == "lost":  # by the end of another one, which may say why
        ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=GRACE) if waiting else ([], [])
        found = next((ended for ended in map(ray.get, ready) if ended.kind == "refused"), found)
    return found


class _Process:
    """In the cluster: a process of the training."""

    def __init__(self, folder: str, path: tuple[str, ...]):
        with contextlib.suppress(OSError):  # relative paths are those of the driver, where its folder is shared
            os.chdir(folder)
        sys.path += [each for each in path if each not in sys.path]
        self._lines: list[str] = []

    def address(self) -> tuple[str, int]:
        """Where the processes meet: this machine, and a port that is free."""
        import ray

        with socket.socket() as probe:
            probe.bind(("", 0))
            return ray.util.get_node_ip_address(), probe.getsockname()[1]

    def run(self, settings: dict[str, str], config: TrainConfig, resume: bool) -> Ended:
        """Trains until the end."""
        os.environ.update(settings)  # before Lightning is imported, which looks for its rank then
        from lipscribe.training.loop import train
        from lipscribe.training.parallel import LostProcessError, OtherProcessError

        try:
            return Ended("done", str(train(config, resume, say=lambda line: self._lines.append(line))))
        except (LostProcessError, OtherProcessError) as error:
            return Ended("lost", str(error))
        except LipscribeError as error:
            return Ended("refused", str(error))

    def said(self) -> list[str]:
        """The lines since the last call, of the first process; another thread runs `run`."""
        lines, self._lines = self._lines, []
        return lines
