"""Workers on a Ray cluster.

A worker is a Ray actor with one processor, and the tasks run in a process that it starts (`local.Worker`), as they do
without Ray. So what ends that process is known by its exit code, also on another machine: a decoder that crashes is the
task's own doing, while a lost actor or machine is not. Ray itself reports both alike.

Plain actors rather than Ray Data: there is no data for Ray to hold, to spill or to order, only paths on the way to the
workers and outcomes on the way back; and a task that loses its worker is given out again by our own rules.
"""

import contextlib
import functools
import logging
import os
import pickle
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lipscribe.engines.crew import Event, Start, Tell, WorkerError
from lipscribe.engines.local import Worker
from lipscribe.errors import LipscribeError
from lipscribe.processes import available_cpus
from lipscribe.units import Seconds

CONNECT_LIMIT: Seconds = 5.0  # for an address to take a connection
CALL_SECONDS: Seconds = 0.3  # of tasks that a worker is given in one call, which costs some milliseconds
MAX_BATCH = 32
TAKEN_LIMIT: Seconds = 5.0  # for what is known of a lost worker
PROBE_LIMIT: Seconds = 60.0  # for each machine to start a worker process
PATIENCE: Seconds = 30.0  # until a note says that the cluster has no free processor

CLIENT_PORT, HEAD_PORT = 10001, 6379

logger = logging.getLogger(__name__)


class ClusterError(LipscribeError):
    """The cluster is out of reach, or has other versions than this machine."""


@contextlib.contextmanager
def ray_engine(address: str | None = None, number: int | None = None) -> Iterator["RayEngine"]:
    """Connects to a cluster, checks that its machines have the same versions, and leaves it at the end.

    A program that is connected to a cluster already stays with that one.

    Args:
        address: "auto" is the cluster that this machine belongs to; `ray://host:10001` or `host:6379` another one.
            None starts one on this machine, for the time of the block.
        number: Of processors of a cluster that is started.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: The cluster cannot be reached, or has other versions.
    """
    _prepare_environment()
    import ray
    from ray.exceptions import RayError

    _silence(ray)
    if ray.is_initialized():  # the program has connected by itself
        yield RayEngine()
        return
    if address is not None:
        _check_address(address)
    own: dict[str, Any] = {"num_cpus": number or available_cpus(), "include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, configure_logging=False, **(own if address is None else {}))
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, RayError) as error:
        raise _refused(address, error) from None
    try:
        if address is not None:
            check_versions(_versions_of_machines(), own_versions())
        yield RayEngine()
    finally:
        ray.shutdown()


class RayEngine:
    """The cluster that this process is connected to; see `ray_engine`."""

    def number(self, wanted: int | None) -> int:
        """The number of workers: the one wanted, or one for each processor of the cluster."""
        import ray

        return wanted or max(int(ray.cluster_resources().get("CPU", 0)), 1)

    def crew(self, start: Start) -> "RayCrew":
        """Workers that are set up by `start`; none runs yet."""
        return RayCrew(start)


@dataclass(eq=False)
class RemoteWorker:
    """An actor.

    Attributes:
        alive: Whether it can be given tasks.
        taken: The call that tells whether it was there when its tasks came.
    """

    actor: Any
    alive: bool = True
    taken: Any = None


class RayCrew:
    """Ray actors; see `Crew`."""

    def __init__(self, start: Start):
        import ray

        self._ray = ray
        self._actor_class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        # Only the processes of the actors unpickle it, and the tasks: an actor itself need not load what they load.
        self._set_up = pickle.dumps(_SetUp(pickle.dumps(start), str(Path.cwd()), tuple(sys.path), own_versions()))
        self._workers = set[RemoteWorker]()
        self._calls: dict[Any, RemoteWorker] = {}  # whose each unfinished call is
        self._task_seconds = CALL_SECONDS  # of the calls so far, on average
        self._hired = time.monotonic()
        self._noted = False

    def hire(self) -> RemoteWorker:
        """Asks for an actor, which starts when the cluster has a free processor."""
        self._hired = time.monotonic()
        worker = RemoteWorker(self._actor_class.remote(self._set_up))
        self._workers.add(worker)
        self._calls[worker.actor.begin.remote()] = worker
        return worker

    def batch(self) -> int:
        """As many tasks as take `CALL_SECONDS`."""
        return min(max(int(CALL_SECONDS / max(self._task_seconds, 1e-3)), 1), MAX_BATCH)

    def give(self, worker: RemoteWorker, tasks: Sequence[Any]) -> None:
        """Sends tasks to a worker."""
        worker.taken = worker.actor.take.remote()  # calls of an actor are run in order
        self._calls[worker.actor.run.remote([pickle.dumps(task) for task in tasks])] = worker

    def wait(self) -> Iterable[tuple[RemoteWorker, Event]]:
        """Waits until calls have ended, and returns what was told in them."""
        ended, others = self._ray.wait(list(self._calls), timeout=PATIENCE)
        if not ended:
            self._note_waiting()
        elif others:  # that have ended too
            ended += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        heard: list[tuple[RemoteWorker, Event]] = []
        for call in ended:
            worker = self._calls.pop(call)
            heard += [(worker, event) for event in self._events(call, worker)]
        return heard

    def dismiss(self, at_once: bool) -> None:
        """Ends all actors; their processes end with them."""
        for worker in list(self._workers):
            self._drop(worker)
        self._calls.clear()

    def _events(self, call: Any, worker: RemoteWorker) -> list[Event]:
        from ray import exceptions as errors

        try:
            events, seconds = self._ray.get(call)
        except (errors.RayActorError, errors.OutOfMemoryError) as error:
            self._drop(worker)
            lost = Event("lost", _how_lost(error))
            return [lost] if self._has_taken(worker) else [Event("free"), lost]
        except errors.RayTaskError as error:  # of our own code, or of a package that is missing there
            cause = error.cause or error
            why = " ".join(str(cause).split())
            return [Event("refused", WorkerError(f"a worker of the cluster fails ({type(cause).__name__}: {why})"))]
        kinds = [event.kind for event in events]
        if ended := sum(kind in ("done", "failed") for kind in kinds):
            self._task_seconds += 0.2 * (seconds / ended - self._task_seconds)
        if kinds[-1] in ("crashed", "lost"):
            if seconds:  # while it ran tasks
                self._calls[worker.actor.begin.remote()] = worker
            else:  # it has ended before its first task
                self._drop(worker)
        return events

    def _has_taken(self, worker: RemoteWorker) -> bool:
        """Whether a worker that is lost had its tasks: one that ended before hands them back."""
        from ray.exceptions import RayError

        try:
            return worker.taken is not None and self._ray.get(worker.taken, timeout=TAKEN_LIMIT)
        except RayError:
            return False

    def _drop(self, worker: RemoteWorker) -> None:
        worker.alive = False
        self._workers.discard(worker)
        with contextlib.suppress(Exception):  # it may be gone already, or the cluster
            self._ray.kill(worker.actor)

    def _note_waiting(self) -> None:
        waited = not self._noted and time.monotonic() - self._hired > PATIENCE
        if waited and self._ray.available_resources().get("CPU", 0) < 1:
            self._noted = True
            logger.warning("the cluster has no free processor: workers wait for one (see `ray status`)")


class _SetUp(NamedTuple):
    """What an actor needs for its process: the pickled `Start`, and the driver's folder, import path and versions."""

    start: bytes
    folder: str
    path: tuple[str, ...]
    versions: dict[str, str]


def _unpickled(start: bytes, tell: Tell) -> Callable[[Any], Any]:
    return pickle.loads(start)(tell)


class _Actor:
    """In the cluster: runs tasks in a process, and starts another one when that has ended."""

    def __init__(self, set_up: bytes):
        self._set_up: _SetUp = pickle.loads(set_up)
        self._worker: Worker | None = None

    def begin(self) -> tuple[list[Event], Seconds]:
        """Starts the process; returns what it tells until it is ready."""
        set_up = self._set_up
        try:
            check_versions({socket.gethostname(): own_versions()}, set_up.versions)
        except ClusterError as error:  # a machine that has come later
            return [Event("refused", error)], 0.0
        with contextlib.suppress(OSError):  # relative paths are those of the driver, where the folder is shared
            os.chdir(set_up.folder)
        sys.path += [path for path in set_up.path if path not in sys.path]
        # Processes that are spawned import the main module, here Ray's worker, which they have no use for.
        sys.modules["__main__"].__file__ = None
        self._worker = Worker.hire(functools.partial(_unpickled, set_up.start), threads=1)
        return self._until_ended(), 0.0

    def take(self) -> bool:
        """Answers before the tasks that are sent after it are run."""
        return True

    def run(self, tasks: list[bytes]) -> tuple[list[Event], Seconds]:
        """Runs tasks for about `CALL_SECONDS`, until one ends the process; what they tell, and the seconds it took."""
        assert self._worker is not None  # `begin` was called
        began, events = time.monotonic(), list[Event]()
        if not self._worker.process.is_alive():  # it was ended before they came
            return [Event("free"), self._worker.receive()], time.monotonic() - began
        for task in tasks:
            with contextlib.suppress(OSError):  # the process has ended, which the next line finds
                self._worker.connection.send_bytes(task)
            events += self._until_ended()
            if not self._worker.alive:
                return events, time.monotonic() - began
            if time.monotonic() - began > CALL_SECONDS:
                break
        return [*events, Event("free")], time.monotonic() - began

    def _until_ended(self) -> list[Event]:
        assert self._worker is not None
        events = [self._worker.receive()]
        while events[-1].kind == "told":
            events.append(self._worker.receive())
        return events


def _how_lost(error: Exception) -> str:
    text = str(error)
    logger.debug("a worker is lost: %s", text)
    if "memory" in type(error).__name__.lower():
        return "killed for lack of memory"
    return "its machine is gone" if "node" in text.lower() and "died" in text else "its worker was killed"


def own_versions() -> dict[str, str]:
    """The versions that driver and workers must have in common."""
    import ray

    return {
        "lipscribe": import_module("lipscribe").__version__,
        "python": platform.python_version(),
        "ray": ray.__version__,
    }


def check_versions(found: dict[str, dict[str, str]], wanted: dict[str, str]) -> None:
    """Checks the versions of the cluster's machines, by name, against those of the driver.

    Raises:
        ClusterError: They differ; the message names both.
    """
    for name, versions in found.items():
        for package, here in wanted.items():
            if (there := versions.get(package, "no")) != here:
                raise ClusterError(
                    f"{name} has {package} {there}, this machine {here}: install the same versions on both, as with "
                    f"`pip install lipscribe=={wanted['lipscribe']} ray=={wanted['ray']}` under Python "
                    f"{wanted['python']}"
                )


def _versions_of_machines() -> dict[str, dict[str, str]]:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def probe() -> dict[str, str]:  # nested, so that it is sent as code: there may be no Lipscribe on the other side
        import importlib
        import platform

        import ray

        try:
            lipscribe = importlib.import_module("lipscribe").__version__
        except ImportError:
            lipscribe = "no"
        return {"lipscribe": lipscribe, "python": platform.python_version(), "ray": ray.__version__}

    nodes = [node for node in ray.nodes() if node["Alive"]]
    remote = ray.remote(num_cpus=0, max_retries=0)(probe)
    calls = [
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in nodes
    ]
    try:
        found = ray.get(calls, timeout=PROBE_LIMIT)
    except (RayError, TimeoutError) as error:
        why = " ".join(str(error).split())[:200]
        raise ClusterError(f"a machine of the cluster does not answer ({why}): see `ray status`") from None
    return {node["NodeManagerHostname"]: versions for node, versions in zip(nodes, found, strict=True)}


def _prepare_environment() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what a cluster does here is told to nobody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the future, which it warns of
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # of a port that answers, but not as Ray does
    os.environ.setdefault("RAY_worker_niceness", "0")  # of a cluster that is started here, as of processes without Ray


def _silence(ray: Any) -> None:
    """Ray prints a paragraph to stdout for each worker that is lost, and has no setting for it; and warnings."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None


def _check_address(address: str) -> None:
    """Knocks at an address: Ray itself tries for minutes."""
    try:
        found = _current_cluster() if address == "auto" else address
        parts = urlsplit(found if "://" in found else f"//{found}")
        if parts.scheme not in ("", "ray") or not parts.hostname:
            raise ValueError("it is no address of Ray")
        port = parts.port or (CLIENT_PORT if parts.scheme else HEAD_PORT)
        socket.create_connection((parts.hostname, port), CONNECT_LIMIT).close()
    except (OSError, ValueError) as error:  # ConnectionError is an OSError
        raise _unreachable(address, error) from None


def _current_cluster() -> str:
    """The address of the cluster that this machine belongs to; it may have ended."""
    from ray._private.services import canonicalize_bootstrap_address

    found = canonicalize_bootstrap_address("auto")
    if found is None:
        raise ValueError("this machine is part of none")
    return found


def _unreachable(address: str | None, error: Exception) -> ClusterError:
    why = " ".join(str(error).split())
    return ClusterError(
        f"the Ray cluster at {address or 'this machine'} cannot be reached ({why}): start one with `ray start --head`, "
        "or give its --address, such as auto or ray://host:10001"
    )


def _refused(address: str | None, error: Exception) -> ClusterError:
    text = " ".join(str(error).split())
    if "mismatch" in text.lower():
        return ClusterError(f"the Ray cluster at {address} has other versions ({text}): install the same on both")
    return _unreachable(address, error)
