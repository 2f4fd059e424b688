"""Worker processes that make batches ahead of the training step."""

import contextlib
import gc
import mmap
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lipscribe.data.batches import Batch, BatchSizes, Shares
from lipscribe.data.dataset import ShardDataset
from lipscribe.errors import LipscribeError
from lipscribe.processes import available_cpus, end_with_parent, interrupts_held

AHEAD = 2  # batches that each worker prepares in advance
MAX_WORKERS = 8  # of one training process: more would wait for it
LONGER = 1.5  # how much longer than the longest clip the augmented clips of a batch may be, to fit into its memory


SMALL = ("video_lengths", "targets", "target_lengths", "frame_tokens")
ENDED = (
    "a process that makes batches has ended (it was killed, or memory ran out): --resume continues "
    "after the last checkpoint; with data.workers 0 no such process is needed"
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
        shares: Which part of each step is this process's.
        start_method: "fork" or "spawn"; None is fork on Linux, where it takes no time, and spawn elsewhere.
    """

    def __init__(
        self,
        dataset: ShardDataset,
        sizes: BatchSizes,
        epochs: int,
        workers: int = 0,
        pin: bool = False,
        shares: Shares | None = None,
        start_method: str | None = None,
    ):
        self._dataset = dataset
        self._sizes = sizes
        self._epochs = epochs
        self._workers = workers
        self._pin = pin
        self._shares = shares or Shares()
        self._start_method = start_method or ("fork" if sys.platform.startswith("linux") else "spawn")
        self._made: Iterator[Batch | _InShared | LipscribeError] | None = None  # by the workers
        self._next = (-1, 0)  # epoch and step of those

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with contextlib.suppress(RuntimeError):  # a worker that dies now is no loss
            self.stop()
        # Other code may have caught torch's error, which comes as a signal, and raised its own.
        while error is not None:
            if isinstance(error, RuntimeError) and _tells_of_death(error):
                raise LipscribeError(ENDED) from None
            error = error.__cause__ or error.__context__

    def stop(self) -> None:
        """Ends the workers; the next epoch starts new ones, which know of changes to the dataset."""
        made, self._made = self._made, None
        if made is not None:
            # Without a public name for it, workers would live for as long as a traceback refers to them.
            made._shutdown_workers()  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        _SHARED.pop(id(self), None)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the step `first` on: of each step its own shares.

        Raises:
            ManifestError: A clip cannot be read, or its text is outside the vocabulary.
        """
        if not self._workers:
            batches = self._dataset.batches(self._sizes, epoch, self._shares, first)
            yield from (batch.pin_memory() for batch in batches) if self._pin else batches
            return
        if self._made is None or (epoch, first) != self._next:
            self.stop()
            self._made = self._start(epoch, first)
        self._next = (-1, 0)  # until this epoch is over
        for _ in self._plan(epoch, first):
            try:
                made = next(self._made)
            except (RuntimeError, OSError, EOFError) as error:
                raise LipscribeError(ENDED) if _tells_of_death(error) else error from None
            if isinstance(made, LipscribeError):
                raise made
            yield made.batch() if isinstance(made, _InShared) else made
        self._next = (epoch + 1, 0)

    def _shared_memory(self) -> Tensor:
        """(N,) float32 in shared memory, with room for most batches."""
        data, sizes = self._dataset, self._sizes.of_share(self._shares.number)
        frames = max(sizes.frames or sizes.clips * data.longest, data.longest) * LONGER
        number = int(frames) * data.height * data.width
        if self._start_method == "fork":  # unlike files in /dev/shm, which containers limit to 64 MB
            return torch.frombuffer(mmap.mmap(-1, number * torch.float32.itemsize), dtype=torch.float32)
        return torch.empty(number).share_memory_()

    def _plan(self, epoch: int, first: int) -> list[list[int]]:
        return [
            share for numbers in self._dataset.plan(self._sizes, epoch)[first:] for share in self._shares.of(numbers)
        ]

    def _start(self, first_epoch: int, first: int) -> "Iterator[Batch | _InShared | LipscribeError]":
        if self._start_method != "fork":
            self._dataset.share()
        # Besides those that are prepared or being made, one is being copied.
        number = self._workers * AHEAD + 1
        shared = _SHARED[id(self)] = [self._shared_memory() for _ in range(number)]
        starts = ((epoch, first if epoch == first_epoch else 0) for epoch in range(first_epoch, self._epochs))
        plans = ((start[0], numbers) for start in starts for numbers in self._plan(*start))
        wanted = ((*plan, n % number) for n, plan in enumerate(plans))
        loader = DataLoader(
            _Batches(self._dataset, shared, id(self)),
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
        with _fork_allowed(), interrupts_held():
            return iter(loader)


# The shared memory of each loader, by its id, in the process of the training.
_SHARED: dict[int, list[Tensor]] = {}


class _InShared:
    """A batch on its way, whose video lies in shared memory. The memory is used again: new one is slow to map."""

    def __init__(self, batch: Batch, loader: int, place: int):
        self._loader, self._place, self._shape = loader, place, batch.video.shape
        self._rest = {name: value for name, value in vars(batch).items() if name != "video"}
        self._arrays = {name: self._rest.pop(name).numpy() for name in SMALL}  # small, and so sent as they are

    def batch(self) -> Batch:
        """The batch with memory of its own."""
        return self._attached(Tensor.clone)

    def pin_memory(self) -> Batch:
        """The batch in pinned memory; a DataLoader calls it."""
        return self._attached(Tensor.pin_memory)

    def _attached(self, copy: Callable[[Tensor], Tensor]) -> Batch:
        memory = _SHARED[self._loader][self._place]
        video = copy(memory[: self._shape.numel()].view(self._shape))
        tensors = {name: torch.from_numpy(array) for name, array in self._arrays.items()}
        return Batch(video, **tensors, **self._rest)


class _Batches(Dataset[Any]):
    """Makes the batch of an epoch and numbers; an error of ours is returned, since torch would add its traceback."""

    def __init__(self, dataset: ShardDataset, shared: list[Tensor], loader: int):
        self._dataset = dataset
        self._shared = shared
        self._loader = loader

    def __getitem__(self, wanted: tuple[int, list[int], int]) -> Batch | _InShared | LipscribeError:
        epoch, numbers, place = wanted
        memory = self._shared[place]
        try:
            batch = self._dataset.batch(epoch, numbers, memory)
        except LipscribeError as error:
            return error
        return _InShared(batch, self._loader, place) if batch.video.data_ptr() == memory.data_ptr() else batch


def fitting_workers(processes: int = 1) -> int:
    """The number of workers that suits this machine: one less than its processors, shared by `processes` trainings."""
    return max(0, min(available_cpus() // processes - 1, MAX_WORKERS))


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
    """Without Python's warning that forking a process with threads may deadlock: workers use no lock of a thread.

    Nothing that is there now is ever collected in a worker: what waits for its own threads when it ends, as a session
    of ONNX Runtime does, would wait for ever there, as no thread is forked.
    """
    gc.freeze()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*multi-threaded, use of fork\(\)", DeprecationWarning)
            yield
    finally:
        gc.unfreeze()


def _begin_worker(number: int) -> None:
    end_with_parent()  # torch looks every 5 s, and until then a killed training's folder would stay locked


def _as_it_is(made: Any) -> Any:
    return made
