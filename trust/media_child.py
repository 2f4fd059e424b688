"""A warm process that reads one file after another under limits, and says of each how it ended and what was left.

Lines of JSON come on standard input, `{"path": ..., "words": true}`, and a line of JSON answers each. `fuzz_media`
starts it and ends it where it hangs.
"""

import argparse
import ctypes
import gc
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from lipscribe.errors import LipscribeError
from lipscribe.processes import limit_process

MEMORY_BYTES = 2_000_000_000  # of data that a child may allocate
FILE_BYTES = 100_000_000
MAX_FACES = 25  # frames whose faces and mouths are found, of most files
THREADS_LEFT = 0.5  # s that a thread has to end after the file
MESSAGE_CHARS = 500

Read = Callable[[Path, bool], str]


def reader() -> Read:
    """The pipeline with its networks loaded: probe, all frames, faces, mouths; or words too."""
    from lipscribe import load_model
    from lipscribe.extraction import Extraction, face_detector
    from lipscribe.pipeline import transcribe
    from lipscribe.video import Video

    model = load_model("talkers")
    face_detector()

    def read(path: Path, words: bool) -> str:
        if words:
            return f"words: {len(transcribe(path, model).words)}"
        video = Video(path, model.spec.input.fps)
        num_frames = sum(1 for _ in video)
        with Extraction(list(islice(video, MAX_FACES)), video.fps, model.spec.input.crop, name=str(path)) as mouths:
            num_crops = sum(1 for _ in mouths.crops())
            mouths.summary()
        return f"frames: {num_frames}, crops: {num_crops}"

    return read


class State:
    """What a process holds: descriptors, threads, memory, files."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        gc.collect()
        gc.freeze()  # what is loaded now is not looked at again
        self._descriptors, self._threads = self.descriptors(), threading.active_count()

    @staticmethod
    def descriptors() -> set[str]:
        """What is open."""
        found = set()
        for path in Path("/proc/self/fd").iterdir():
            try:
                found.add(str(path.readlink()))
            except OSError:  # that of the listing itself
                continue
        return found

    def left(self) -> list[str]:
        """What the last file has left behind, in words; it is removed."""
        found = []
        if more := self.descriptors() - self._descriptors:
            found.append(f"open files: {', '.join(sorted(more))}")
            self._descriptors |= more
        deadline = time.monotonic() + THREADS_LEFT
        while threading.active_count() > self._threads and time.monotonic() < deadline:
            time.sleep(0.01)
        if threading.active_count() > self._threads:
            found.append(f"threads: {threading.active_count() - self._threads}")
            self._threads = threading.active_count()
        for path in self._folder.rglob("*"):
            if path.is_file():
                found.append(f"temporary file: {path.name}")
                path.unlink()
        return found

    def rss_mb(self) -> float:
        """Memory in use, after what is free was given back."""
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def outcome(read: Read, path: Path, words: bool) -> dict[str, Any]:
    """How reading a file ended: `read`, `refused` with one clear line, or `problem`."""
    try:
        return {"outcome": "read", "message": read(path, words)}
    except LipscribeError as error:
        message = str(error)
        clear = bool(message.strip()) and message.isprintable() and len(message) < 10 * MESSAGE_CHARS
        return {"outcome": "refused" if clear else "problem", "kind": "message not one clear line", "message": message}
    except BaseException as error:
        kind = type(error).__name__
        return {"outcome": "problem", "kind": kind, "message": "".join(traceback.format_exception(error)[-12:])}


def serve(make_reader: Callable[[], Read], arguments: list[str] | None = None) -> None:
    """Reads the files that are asked for until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for temporary files")
    folder: Path = parser.parse_args(arguments).folder
    answers = _take_stdout()
    limit_process(MEMORY_BYTES, FILE_BYTES)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    read = make_reader()
    state = State(folder)
    _answer(answers, {"ready": True, "rss_mb": state.rss_mb()})
    for line in sys.stdin:
        asked = json.loads(line)
        begin = time.process_time()
        answer = outcome(read, Path(asked["path"]), asked["words"])
        answer["seconds"] = time.process_time() - begin
        answer["left"] = state.left()
        answer["rss_mb"] = state.rss_mb()
        _answer(answers, answer)


def _take_stdout() -> TextIO:
    """Standard output for the answers alone; what libraries print there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # what is printed is there before the answer
    return answers


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(reader)
