"""Many videos at once, in worker processes: `transcribe_all`.

    for source, result in lipscribe.transcribe_all(Path("recordings").glob("*.mp4")):
        print(source, result.text if isinstance(result, lipscribe.Transcript) else f"failed: {result}")

Each worker loads the model once and computes in one thread, so N videos are read on N processors. Two videos need each
other less than two threads of one video do, which wait for each other.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lipscribe.engines import Engine, LocalEngine, Message, Tell, in_turn, run_tasks
from lipscribe.errors import ConfigError, VideoError
from lipscribe.progress import Progress, tracked
from lipscribe.storage import is_stored, local_copy

if TYPE_CHECKING:  # workers import these, and a caller that only starts workers has no use for them
    from lipscribe.runtimes import RuntimeName
    from lipscribe.search import SearchOptions
    from lipscribe.transcript import Transcript

WORKER_THREADS = 1  # of each network in a worker: the other processors have workers of their own
FEW_FILES = 3  # so many small files are read before a second process has loaded the model
SMALL_BYTES = 8_000_000  # of all of them together: about a minute of small pictures

Result: TypeAlias = "Transcript | Exception"


def transcribe_all(
    sources: Iterable[str | Path],
    model: str | Path = "grid",
    face: str | int = "moving",
    options: "SearchOptions | None" = None,
    progress: Progress | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    runtime: "RuntimeName" = "auto",
    jobs: int | None = None,
    engine: Engine | None = None,
) -> "Iterator[tuple[str | Path, Result]]":
    """Reads many videos in worker processes, and yields each with its transcript, in order.

    A video that cannot be read, or that crashes its worker, costs its own result alone: then it is an exception, such
    as a `VideoError`. A script that calls this needs `if __name__ == "__main__":`, as always with `multiprocessing`.

    Args:
        sources: Video files and URLs.
        model: A model's name or folder; each worker loads it.
        face, options: See `lipscribe.transcribe`.
        progress: Called with the number of videos done, as task "videos".
        device, precision, runtime: See `load_model`.
        jobs: Number of worker processes; 1 reads in this process, and so does None where a few short videos would be
            read before a worker has started. Else None is one per processor that this process may use.
        engine: Where the workers run, such as `lipscribe.engines.ray_cluster.ray_engine`; None is processes of this
            machine.

    Yields:
        (source, transcript) or (source, exception), as soon as the ones before are done.

    Raises:
        CheckpointError, ConfigError: The model or an option is wrong for all videos; see `load_model`.
        WorkerError: No worker process could start.
    """
    listed = list(sources)
    number = choose_jobs(jobs, [str(source) for source in listed], engine)
    start = partial(start_reading, model, face, options, device, precision, runtime)
    if number == 1 and engine is None:
        return zip(listed, tracked(_in_this_process(start, listed), progress, "videos", len(listed)), strict=True)
    messages = run_tasks(partial(start, WORKER_THREADS), listed, number, engine or LocalEngine(WORKER_THREADS))
    return zip(listed, _results(in_turn(count_ends(messages, progress, "videos", len(listed))), listed), strict=True)


def start_reading(
    model: str | Path,
    face: str | int,
    options: "SearchOptions | None",
    device: str,
    precision: str,
    runtime: "RuntimeName",
    threads: int | None,
    tell: Tell | None,
) -> "Callable[[str | Path], Transcript]":
    """Loads the model, and returns the function that reads one video.

    Args:
        threads, tell: In a worker; None in the caller's process.
    """
    from lipscribe.pipeline import load_model

    if tell is not None:
        logging.getLogger("lipscribe").addHandler(_ToParent(tell))
        logging.getLogger("lipscribe").propagate = False
    reader = load_model(model, device, precision, runtime=runtime, threads=threads)
    return partial(_read, partial(reader.transcribe, face=face, options=reader.resolve(options)))


def _read(transcribe: "Callable[[str | Path], Transcript]", source: str | Path) -> "Transcript":
    if not is_stored(source):
        return transcribe(source)
    with local_copy(str(source)) as copy:
        return replace(transcribe(copy), source=str(source))


def choose_jobs(jobs: int | None, paths: Sequence[str], engine: Engine | None = None) -> int:
    """The number of processes that read these files and URLs; without an engine, 1 is this process alone.

    Args:
        jobs: As the caller wants; None is one per processor, or this process for a few short files.

    Raises:
        ConfigError: It is no positive number.
    """
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"jobs is {jobs!r}: give a number of processes, at least 1")
    if engine is None and jobs is None and _are_few(paths):
        return 1
    return max(min((engine or LocalEngine()).number(jobs), len(paths)), 1)


def crash_error(path: str | Path, how: str) -> VideoError:
    """The error of a video that ends the process which reads it."""
    return VideoError(f"{path}: reading it ended the process that read it ({how}); re-encode the file")


def count_ends(
    messages: Generator[Message, None, None], progress: Progress | None, task: str, total: int
) -> Generator[Message, None, None]:
    """The same messages; reports the number of ended tasks."""
    done = 0
    with closing(messages):
        if progress is not None:
            progress(task, done, total)
        for message in messages:
            done += message.ends
            if progress is not None and message.ends:
                progress(task, done, total)
            yield message


class Logged(NamedTuple):
    """A log message of a worker."""

    logger: str
    level: int
    text: str


class _ToParent(logging.Handler):
    """Sends log messages to the parent process."""

    def __init__(self, tell: Tell):
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(Logged(record.name, record.levelno, record.getMessage()))


def _results(messages: Iterator[Message], sources: Sequence[str | Path]) -> "Iterator[Result]":
    logged: set[Logged] = set()
    for message in messages:
        if message.kind == "told":
            if message.value not in logged:  # each worker says the same of the model
                logged.add(message.value)
                logging.getLogger(message.value.logger).log(message.value.level, "%s", message.value.text)
        elif message.kind == "crashed" and message.idx is not None:
            yield crash_error(sources[message.idx], message.value)
        else:
            yield message.value


def _in_this_process(
    start: "Callable[..., Callable[[str | Path], Transcript]]", sources: Sequence[str | Path]
) -> "Iterator[Result]":
    read = start(None, None)
    for source in sources:
        try:
            result = read(source)
        except Exception as error:
            yield error
        else:
            yield result


def _are_few(paths: Sequence[str]) -> bool:
    """Whether this process reads the files before others have started; URLs may be of any length."""
    if any("://" in path for path in paths):
        return False
    sizes = [os.path.getsize(path) for path in paths if _exists(path)]  # noqa: PTH202, of names of any kind
    return len(sizes) <= FEW_FILES and sum(sizes) <= SMALL_BYTES


def _exists(path: str) -> bool:
    try:
        return os.path.isfile(path)  # noqa: PTH113
    except (OSError, ValueError):
        return False
