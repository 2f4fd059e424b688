"""What child processes do with an upload: each function runs in one (`Children.call`)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lipscribe.engines import Tell
from lipscribe.errors import LipscribeError, NoFaceError, VideoError
from lipscribe.extraction import Extraction
from lipscribe.mouth import CropKind
from lipscribe.progress import Progress
from lipscribe.server.told import crops_message, found_message, grammar_message, summary_message
from lipscribe.transcript import Transcript
from lipscribe.units import Seconds
from lipscribe.video import Video
from lipscribe.video.opencv import one_thread

if TYPE_CHECKING:
    from lipscribe.inspection import Inspection

BATCH = 64  # crops, 0.6 MB: sent at once
NAME = "the file"  # what errors call an upload


class Clip(NamedTuple):
    """An upload, and how it is to be read.

    Attributes:
        path: The file.
        fps, crop: The model's.
        face: Whom to read.
        stream: Number of the video stream.
        max_duration, max_pixels: Longer videos, and those with larger pictures, are refused.
    """

    path: str
    fps: float
    crop: CropKind
    face: str | int
    stream: int | None
    max_duration: Seconds
    max_pixels: int

    @property
    def max_frames(self) -> int:
        """Of a video that is as long as it may be; a few more than are read."""
        return math.ceil((self.max_duration + 1) * self.fps)


def ping(tell: Tell) -> None:
    """Does nothing, once the process has started."""


def extract(clip: Clip, tell: Tell) -> dict[str, Any]:
    """Finds faces and cuts mouths; tells the runs, then their crops; returns the summary, each as in `told`."""
    with _named(clip.path), one_thread():
        video = _open(clip)
        with Extraction(video, clip.fps, clip.crop, clip.face, _limit(clip), NAME) as mouths:
            tell(found_message(mouths.first_frame, mouths.runs))
            crops = mouths.crops()
            while some := list(islice(crops, BATCH)):
                tell(crops_message(some))
            return summary_message(mouths.summary())


def inspect(clip: Clip, tell: Tell) -> dict[str, Any]:
    """See `inspect_video`; as plain data, without the file's name."""
    with _named(clip.path), one_thread():
        found = _inspect(clip).to_dict()
    del found["info"]["path"]
    return found


def draw_mouths(clip: Clip, output: str, tell: Tell) -> None:
    """Writes an MP4 of what the reader sees: a frame for each frame of the video at the model's rate."""
    from lipscribe.inspection.write import save_crops

    with _named(clip.path), one_thread():
        if not save_crops(_inspect(clip), Path(output)):
            raise NoFaceError("no face was found: show the whole face upright, lit from the front and nearer")


def caption(clip: Clip, transcript: Transcript, output: str, tell: Tell) -> None:
    """Writes an MP4 with the words under the pictures."""
    from lipscribe.video.captioned import write_captioned

    with _named(clip.path), one_thread():
        write_captioned(_open(clip), transcript, Path(output))


def load_grammar_text(path: str, kind: str, tell: Tell) -> dict[str, Any]:
    """The grammar of a file with a grammar or phrases (`kind`): in a child, since some grow beyond all measure."""
    from lipscribe.search.grammar_file import load_grammar, load_phrases

    with _named(path, kind):
        return grammar_message(load_grammar(path) if kind == "grammar" else load_phrases(path))


def _inspect(clip: Clip) -> "Inspection":
    from lipscribe.inspection import inspect_video

    _open(clip)  # checks its length and size
    return inspect_video(clip.path, clip.fps, clip.face, crop=clip.crop, progress=_limit(clip), stream=clip.stream)


def _open(clip: Clip) -> Video:
    video = Video(clip.path, clip.fps, stream=clip.stream)
    _check_duration(video.info.duration, clip.max_duration)
    if video.info.width * video.info.height > clip.max_pixels:
        raise VideoError(
            f"the pictures are {video.info.width}x{video.info.height}, over {clip.max_pixels / 1e6:.1f} megapixels, "
            "the limit here: make them smaller"
        )
    return video


def _check_duration(duration: Seconds, limit: Seconds) -> None:
    if duration > limit:
        raise VideoError(f"the video is longer than {limit:g} s, the limit here: send it in parts")


def _limit(clip: Clip) -> Progress:
    """Ends the reading of a video that is longer than its header says."""

    def check(task: str, done: int, total: int | None) -> None:
        _check_duration((done - 1) / clip.fps, clip.max_duration)

    return check


@contextmanager
def _named(path: str, name: str = NAME) -> Iterator[None]:
    """Errors name the upload as the client knows it."""
    try:
        yield
    except LipscribeError as error:
        raise type(error)(str(error).replace(path, name)) from None
