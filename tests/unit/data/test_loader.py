"""Workers: the same batches however many make them, one line when something fails, and none left behind."""

import gc
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lipscribe.data import loader as module
from lipscribe.data.batches import Batch, BatchSizes, Shares
from lipscribe.data.dataset import ShardDataset
from lipscribe.data.loader import BatchLoader, fitting_workers
from lipscribe.data.manifest import WordTime
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.tokenizer import WordTokenizer
from lipscribe.transforms import Augment, AugmentConfig

TOKENIZER = WordTokenizer(["red", "green", "blue"])
SIZES = BatchSizes(3)


def dataset(folder: Path, **options: Any) -> ShardDataset:
    augment = Augment(AugmentConfig(splice=0.5), 32, 48)
    return ShardDataset(folder, "train", TOKENIZER, 32, 48, augment=augment, **options)


def same(one: Batch, other: Batch) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def made(data: ShardDataset, first: int = 0, epochs: int = 3, sizes: BatchSizes = SIZES, **options: Any) -> list[Batch]:
    with BatchLoader(data, sizes, epochs, **options) as loader:
        return [batch for epoch in range(first, epochs) for batch in loader.epoch(epoch)]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        (1, {}),
        (2, {}),
        (2, {"cache": False}),
        pytest.param(2, {"start_method": "spawn"}, marks=pytest.mark.slow),
        pytest.param(1, {"start_method": "spawn", "cache": False}, marks=pytest.mark.slow),
    ],
)
def test_any_number_of_workers_makes_the_same_batches(prepared: Path, workers: int, options: dict[str, Any]):
    plain = made(dataset(prepared))
    cache = options.pop("cache", True)
    found = made(dataset(prepared, cache=cache), workers=workers, **options)
    assert len(found) == len(plain) == 12
    assert all(map(same, found, plain))
    later = made(dataset(prepared, cache=cache), first=2, workers=workers, **options)  # as a resumed run does
    assert all(map(same, later, plain[8:]))


def test_an_epoch_that_is_left_begins_again(prepared: Path):
    plain = made(dataset(prepared), epochs=2)
    with BatchLoader(dataset(prepared), SIZES, 2, workers=1) as loader:
        batches = loader.epoch(0)
        assert same(next(batches), plain[0])
        assert all(map(same, loader.epoch(0), plain[:4]))
        assert all(map(same, loader.epoch(1), plain[4:]))


def test_batches_of_similar_length_too(prepared: Path):
    sizes = BatchSizes(1, frames=60)
    assert all(map(same, made(dataset(prepared), sizes=sizes), made(dataset(prepared), sizes=sizes, workers=2)))


def test_torchs_own_generator_is_left_alone(prepared: Path):
    state = torch.get_rng_state()
    made(dataset(prepared), workers=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_ranks_share_the_clips(prepared: Path):
    shares = [made(dataset(prepared), epochs=1, workers=1, shares=Shares(2, rank, 2)) for rank in (0, 1)]
    ids = [{clip.id for batch in share for clip in batch.clips} for share in shares]
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 11


def test_workers_that_start_again_know_of_new_word_times(prepared: Path):
    data = dataset(prepared)
    times = (WordTime("green", 0.0, 0.1),)
    changed = {(str(prepared), f"s1/clip{n:02d}"): times for n in range(11)}
    with BatchLoader(data, SIZES, 3, workers=1) as loader:
        list(loader.epoch(0))
        data.word_times |= changed
        loader.stop()
        found = list(loader.epoch(1))
    other = dataset(prepared)
    other.word_times |= changed
    assert all(map(same, found, other.batches(SIZES, 1)))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_is_damaged_meanwhile_is_one_line(prepared: Path, tmp_path: Path, workers: int):
    shutil.copytree(prepared, tmp_path / "copy")
    data = dataset(tmp_path / "copy", cache=False)
    assert len(data) == 11
    shard = tmp_path / "copy" / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(ManifestError, match=r"^shard .*train-000001.tar cannot be read \(.*\): prepare it again$"):
        made(data, workers=workers)


def test_the_end_of_a_worker_is_known_under_an_error_of_other_code(prepared: Path):
    def log() -> None:
        try:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
        except RuntimeError as error:
            raise ValueError("cannot log this") from error

    with (
        pytest.raises(LipscribeError, match="a process that makes batches has ended"),
        BatchLoader(dataset(prepared), SIZES, 1, 1),
    ):
        log()
    with pytest.raises(ValueError, match="nothing of ours"), BatchLoader(dataset(prepared), SIZES, 1, 1):
        raise ValueError("nothing of ours")


def test_a_worker_that_is_killed_is_one_line_and_no_hang(prepared: Path):
    with (
        pytest.raises(LipscribeError, match=r"^a process that makes batches has ended .*data.workers 0 .*needed$"),
        BatchLoader(dataset(prepared), SIZES, 1000, workers=1) as loader,
    ):
        for epoch in range(1000):
            for _ in loader.epoch(epoch):
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)


def test_an_interruption_is_the_trainings_and_ends_the_workers(prepared: Path):
    """Ctrl-C goes to all processes of a terminal: workers wait for the training to end them."""
    with pytest.raises(KeyboardInterrupt), BatchLoader(dataset(prepared), SIZES, 1000, workers=2) as loader:
        batches = loader.epoch(0)
        next(batches)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)
        next(batches)
        raise KeyboardInterrupt


def test_workers_fit_the_processors(monkeypatch: pytest.MonkeyPatch):
    for processors, processes, wanted in ((1, 1, 0), (2, 1, 1), (4, 1, 3), (64, 1, 8), (16, 4, 3), (2, 4, 0)):
        monkeypatch.setattr(module, "available_cpus", lambda number=processors: number)
        assert fitting_workers(processes) == wanted


@pytest.mark.parametrize("longer", [0.3, 1.5])
def test_batches_that_do_not_fit_into_shared_memory_come_too(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, longer: float
):
    monkeypatch.setattr(module, "LONGER", longer)
    kept = []
    with BatchLoader(dataset(prepared), SIZES, 3, workers=1) as loader:
        kept += [batch for epoch in range(3) for batch in loader.epoch(epoch)]
    assert all(map(same, kept, made(dataset(prepared))))  # batches stay as they are while their memory is used again


KILLED = """
import sys, time
from pathlib import Path
from torch.utils.data import _utils
from lipscribe.data.batches import BatchSizes
from lipscribe.data.dataset import ShardDataset
from lipscribe.data.loader import BatchLoader
from lipscribe.tokenizer import WordTokenizer

_utils.MP_STATUS_CHECK_INTERVAL = _utils.worker.MP_STATUS_CHECK_INTERVAL = 1000  # how often torch looks, in s
data = ShardDataset(Path(sys.argv[1]), "train", WordTokenizer(["red", "green", "blue"]), 32, 48)
with BatchLoader(data, BatchSizes(3), 1000, workers=2) as loader:
    next(loader.epoch(0))
    print("made", flush=True)
    time.sleep(1000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux alone")
def test_workers_end_with_a_training_that_is_killed(prepared: Path):
    """Their output is closed only when all of them have ended; so is a lock on the run's folder."""
    with subprocess.Popen([sys.executable, "-c", KILLED, str(prepared)], stdout=subprocess.PIPE) as training:
        assert training.stdout is not None and training.stdout.readline() == b"made\n"
        training.kill()
        assert training.communicate(timeout=60) == (b"", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_collects_nothing_that_was_there_before_it():
    """A session of ONNX Runtime that ended there waited for its threads, which are not forked."""
    ended: list[int] = []

    class Session:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            ended.append(os.getpid())

    gc.collect()
    gc.disable()
    try:
        Session()
        with module._fork_allowed():
            child = os.fork()
            if child == 0:
                gc.collect()
                os._exit(len(ended))
    finally:
        gc.enable()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gc.collect()
    assert ended == [os.getpid()]
