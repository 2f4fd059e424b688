"""Reads the videos of one `transcribe` command: the same code in this process and in workers."""

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lipscribe.cli.edge import Failures
from lipscribe.cli.notes import show_notes
from lipscribe.cli.results import Results
from lipscribe.cli.sources import Source

if TYPE_CHECKING:  # what loads a network's runtime is imported where it is used
    from lipscribe.engines import Engine, Tell
    from lipscribe.progress import Progress
    from lipscribe.runtimes import RuntimeName
    from lipscribe.transcript import Transcript

Bars: TypeAlias = "Callable[[], AbstractContextManager[Progress | None]]"


@dataclass(frozen=True)
class Job:
    """What to do with each video; every field can be sent to a worker process.

    Attributes:
        model, device, precision, runtime: See `load_model`.
        search: Arguments of `search_options`.
        face: Whom to read.
        range: Arguments of `Video`: stream, start, end.
        results: Where results go.
        several: Results on stdout are labelled by video.
        words, unsure_below, quiet: See `Writer`.
    """

    model: str
    device: str
    precision: str
    runtime: "RuntimeName"
    search: dict[str, Any]
    face: str
    range: dict[str, Any]
    results: Results
    several: bool
    words: bool
    unsure_below: float
    quiet: bool


class Task(NamedTuple):
    """One video.

    Attributes:
        source: The video.
        stem: The stem of its results' names.
    """

    source: Source
    stem: str


class Reading:
    """A job whose model is loaded.

    Args:
        threads: Of the networks; None is their own choice.
    """

    def __init__(self, job: Job, threads: int | None = None):
        from lipscribe.cli.searching import search_options
        from lipscribe.cli.writing import Writer
        from lipscribe.pipeline import load_model

        self.job = job
        self.model = load_model(job.model, job.device, job.precision, runtime=job.runtime, threads=threads)
        self.options = search_options(self.model, **job.search)
        self.writer = Writer(job.results, job.several, job.words, job.unsure_below, job.quiet)

    def read(self, task: Task, failures: Failures, shown: "Bars" = nullcontext) -> None:
        """Reads one video and writes its results; an error is added to the failures."""
        from lipscribe.storage import local_copy
        from lipscribe.video import Video

        transcript: Transcript | None = None
        source, face = task.source, self.job.face
        with failures.one(source.name, source.path), shown() as progress, local_copy(source.path) as path:
            video = Video(path, self.model.spec.input.fps, **self.job.range)
            on_segment = self.writer.printing(source) if face != "all" else None
            transcript = self.model.transcribe(
                video, face=face, options=self.options, progress=progress, on_segment=on_segment
            )
            self.writer.write_files(transcript, video, source, task.stem)
        if transcript is not None:
            self.writer.write_stdout(transcript, source)
            if self.model.spec.phrases is not None and not self.job.quiet:
                for word in transcript.words:
                    print(f"note: {source.name}: {word.text!r}, probability {word.probability:.2f}", file=sys.stderr)


def read_here(job: Job, tasks: Sequence[Task]) -> Failures:
    """Reads the videos one after the other in this process; prints segments as they are read."""
    from lipscribe.cli.bars import bars, closed_after
    from lipscribe.progress import tracked

    reading, failures = Reading(job), Failures(job.results.to_stdout)
    if len(tasks) == 1:
        reading.read(tasks[0], failures, partial(bars, not job.quiet))
        return failures
    with bars(not job.quiet) as progress:
        for task in tracked(tasks, progress, "videos"):
            reading.read(task, failures, partial(closed_after, progress))
    return failures


def read_in_workers(job: Job, tasks: Sequence[Task], number: int, engine: "Engine | None") -> Failures:
    """Reads the videos in workers; prints what they print, in the order of the videos."""
    from lipscribe.batch import WORKER_THREADS, count_ends, crash_error
    from lipscribe.cli.bars import bars
    from lipscribe.engines import LocalEngine, in_turn, run_tasks

    failures, notes = Failures(job.results.to_stdout), set[str]()
    messages = run_tasks(partial(start_worker, job), tasks, number, engine or LocalEngine(WORKER_THREADS))
    with bars(not job.quiet) as progress, closing(in_turn(count_ends(messages, progress, "videos", len(tasks)))) as due:
        for message in due:
            if message.idx is None:  # each worker says the same of the model
                if message.value not in notes:
                    notes.add(message.value)
                    message.value.show()
                continue
            source = tasks[message.idx].source
            if message.kind == "told":
                message.value.show()
            elif message.kind == "failed":  # LIPSCRIBE_DEBUG is set; otherwise the worker catches all
                raise message.value
            elif message.kind == "crashed":
                with failures.one(source.name, source.path):
                    raise crash_error(source.path, message.value)
            elif message.value:
                failures.names.append(source.name)
    return failures


def start_worker(job: Job, tell: "Tell") -> "Callable[[Task], bool]":
    """In a worker: loads the model, and returns the function that reads one video and says whether it failed.

    What is printed goes to the parent process.
    """
    from lipscribe.batch import WORKER_THREADS
    from lipscribe.storage import check_shared

    if folder := job.results.folder or (job.results.file and job.results.file.parent):
        check_shared(folder)
    sys.stdout, sys.stderr = _Sent("stdout", tell), _Sent("stderr", tell)
    show_notes(job.quiet)
    reading = Reading(job, WORKER_THREADS)

    def read(task: Task) -> bool:
        failures = Failures(to_stdout=False)  # this stdout never fails; the parent's does when it prints
        reading.read(task, failures)
        sys.stdout.flush()
        sys.stderr.flush()
        return bool(failures.names)

    return read


class Printed(NamedTuple):
    """Lines that a worker printed.

    Attributes:
        stream: "stdout" or "stderr".
        text: With their line ends.
    """

    stream: str
    text: str

    def show(self) -> None:
        """Prints them."""
        print(self.text, end="", file=getattr(sys, self.stream), flush=True)


class _Sent(io.TextIOBase):
    """A text stream whose lines go to the parent process."""

    def __init__(self, stream: str, tell: "Tell"):
        self._stream, self._tell = stream, tell
        self._held = ""  # of a line without its end

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, end, self._held = (self._held + text).rpartition("\n")
        if end:
            self._tell(Printed(self._stream, lines + end))
        return len(text)

    def flush(self) -> None:
        if self._held:
            self._tell(Printed(self._stream, self._held))
            self._held = ""
