"""Worker processes that make batches ahead of the training step."""

import contextlib
import multiprocessing
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from lipscribe.data.batches import Batch, BatchSizes
from lipscribe.data.dataset import ShardDataset
from lipscribe.errors import LipscribeError
from lipscribe.processes import available_cpus

AHEAD = 2  # batches that each worker prepares in advance
MAX_WORKERS = 8  # of one training process: more would wait for it
LONGER = 1.5  # how much longer than its clip an augmented one may be, for the estimate of memory
SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps the tensors that processes share


ENDED = (
    "a process that makes batches has ended (it was killed, or memory or shared memory ran out): --resume continues "
    "after the last finished epoch; with data.workers 0 no such process is needed"
)


class BatchLoader:
    """The batches of consecutive epochs, the same for any number of workers.

    A batch depends on the dataset's seed, its epoch and its number alone, so workers only make it earlier. They run
    across the ends of epochs. To be used in a `with` block, whose end ends them.

    Args:
        dataset: Each worker has a copy; cached crops are shared.
        sizes: See `ShardDataset.plan`.
        epochs: Total number of epochs.
        workers: Number of processes; 0 makes each batch when it is asked for.
        pin: Put batches into pinned memory, for a GPU.
        rank, world_size: See `ShardDataset.plan`.
        start_method: "fork" or "spawn"; None is fork on Linux, where it takes no time, and spawn elsewhere.
    """

    def __init__(
        self,
        dataset: ShardDataset,
        sizes: BatchSizes,
        epochs: int,
        workers: int = 0,
        pin: bool = False,
        rank: int = 0,
        world_size: int = 1,
        start_method: str | None = None,
    ):
        self._dataset = dataset
        self._sizes = sizes
        self._epochs = epochs
        self._workers = workers
        self._pin = pin
        self._rank, self._world_size = rank, world_size
        self._start_method = start_method or ("fork" if sys.platform.startswith("linux") else "spawn")
        self._made: Iterator[Batch | LipscribeError] | None = None  # by the workers
        self._next_epoch = -1  # of what they make

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with contextlib.suppress(RuntimeError):  # a worker that dies now is no loss
            self.stop()
        if isinstance(error, RuntimeError) and _tells_of_death(error):
            raise LipscribeError(ENDED) from None

    def stop(self) -> None:
        """Ends the workers; the next epoch starts new ones, which know of changes to the dataset."""
        made, self._made = self._made, None
        if made is not None:
            # Without a public name for it, workers would live for as long as a traceback refers to them.
            made._shutdown_workers()  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Raises:
            ManifestError: A clip cannot be read, or its text is outside the vocabulary.
        """
        if not self._workers:
            batches = self._dataset.batches(self._sizes, epoch, self._rank, self._world_size)
            yield from (batch.pin_memory() for batch in batches) if self._pin else batches
            return
        if self._made is None or epoch != self._next_epoch:
            self._made = self._start(epoch)
        self._next_epoch = epoch + 1
        for _ in self._plan(epoch):
            try:
                made = next(self._made)
            except (RuntimeError, OSError, EOFError) as error:
                raise LipscribeError(ENDED) if _tells_of_death(error) else error from None
            if isinstance(made, LipscribeError):
                raise made
            yield made

    def _plan(self, epoch: int) -> list[list[int]]:
        return self._dataset.plan(self._sizes, epoch, self._rank, self._world_size)

    def _start(self, first_epoch: int) -> Iterator[Batch | LipscribeError]:
        if self._start_method != "fork":
            self._dataset.share()
        wanted = ((epoch, numbers) for epoch in range(first_epoch, self._epochs) for numbers in self._plan(epoch))
        loader = DataLoader(
            _Batches(self._dataset, self._world_size),
            batch_size=None,
            sampler=wanted,
            collate_fn=_as_it_is,
            num_workers=self._workers,
            prefetch_factor=AHEAD,
            pin_memory=self._pin,
            worker_init_fn=_begin_worker,
            multiprocessing_context=multiprocessing.get_context(self._start_method),
            generator=torch.Generator(),  # its own: torch's global one is the training's
        )
        with _fork_allowed():
            return iter(loader)


class _Batches(Dataset[Batch | LipscribeError]):
    """Makes the batch of an epoch and numbers; an error of ours is returned, since torch would add its traceback."""

    def __init__(self, dataset: ShardDataset, world_size: int):
        self._dataset = dataset
        self._world_size = world_size

    def __getitem__(self, wanted: tuple[int, list[int]]) -> Batch | LipscribeError:
        epoch, numbers = wanted
        try:
            return self._dataset.batch(epoch, numbers, self._world_size)
        except LipscribeError as error:
            return error


def fitting_workers(dataset: ShardDataset, sizes: BatchSizes, processes: int = 1) -> int:
    """The number of workers that suits this machine: one less than its processors, shared by `processes` trainings.

    Where shared memory is small, as in a container, there are only as many as its space allows, perhaps none.
    """
    workers = max(0, min(available_cpus() // processes - 1, MAX_WORKERS))
    longest = max(clip.num_frames for clip in dataset.scan())
    frames = max(sizes.frames or sizes.clips * longest, longest) * LONGER
    size = frames * dataset.height * dataset.width * torch.float32.itemsize
    if SHARED_MEMORY.is_dir():
        room = shutil.disk_usage(SHARED_MEMORY).free / processes
        workers = min(workers, int(room / (size * (AHEAD + 1))))
    return workers


def _tells_of_death(error: Exception) -> bool:
    """Whether torch's error tells of the end of a worker.

    It is raised wherever the training is when the end becomes known; while a batch is fetched it can be any error of a
    connection. An error in a worker's code has the name of the worker instead.
    """
    if isinstance(error, RuntimeError):
        return "DataLoader worker (pid" in str(error)
    return "in DataLoader worker process" not in str(error)


@contextlib.contextmanager
def _fork_allowed() -> Iterator[None]:
    """Without Python's warning that forking a process with threads may deadlock: workers use no lock of a thread."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*multi-threaded, use of fork\(\)", DeprecationWarning)
        yield


def _begin_worker(number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training ends its workers


def _as_it_is(made: Any) -> Any:
    return made
