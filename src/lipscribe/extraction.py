"""A video -> the mouth crops of the faces that are to be read: all that comes before the network.

It may run in another process than the network, as in `lipscribe.server`, which decodes uploads there;
`pipeline.read_mouths` reads what comes back.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from lipscribe.errors import NoFaceError
from lipscribe.faces import FaceDetector, FaceTrack, choose_faces, load_face_detector, track_faces
from lipscribe.faces.cuts import cut_warnings
from lipscribe.faces.orientation import orientation_warnings
from lipscribe.faces.track import frames_found
from lipscribe.mouth import CropKind, crop_warnings
from lipscribe.mouth.early import EarlyCrops
from lipscribe.mouth.measures import QualityCheck
from lipscribe.mouth.quality import reading_warnings
from lipscribe.progress import Progress
from lipscribe.video import Video
from lipscribe.video.passes import Passes

LONG_PRESENT = 0.3  # unread faces in at least this share of a shot's frames are reported
LOW_COVERAGE = 0.8  # below this share of frames with a face, the user is warned

_of_thread = threading.local()  # a face detector follows one video at a time


class Run(NamedTuple):
    """Consecutive frames with one face in view: its id, its first frame and the frame after its last."""

    id: int
    start: int
    stop: int


@dataclass(frozen=True)
class Summary:
    """What is known once all crops have been cut.

    Attributes:
        num_frames: Of the video.
        face_coverage: Share of them with a face that is read, 0 to 1.
        warnings: One line each.
    """

    num_frames: int
    face_coverage: float
    warnings: tuple[str, ...]


class Mouths(Protocol):
    """The mouths of a video: here, or as another process sends them.

    Attributes:
        first_frame: Index of the video's first frame: above 0 for one that starts within its file.
        runs: What is to be read, counted from the first frame.
    """

    @property
    def first_frame(self) -> int: ...  # noqa: D102
    @property
    def runs(self) -> Sequence[Run]: ...  # noqa: D102

    def crops(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields each crop (96, 96) uint8 with the index of its run, in the order of the frames."""
        ...

    def summary(self) -> Summary:
        """What is known after the last crop."""
        ...


class Extraction:
    """Finds the faces of a video when it is entered (`with`), then cuts their mouths.

    Args:
        frames: A `Video`, or frames (H, W, 3) uint8 RGB that can be read twice.
        fps: Their rate in Hz.
        crop: The kind of crops.
        face: Whom to read, see `lipscribe.transcribe`.
        progress: Called with the number of frames done, for faces and then for mouths.
        name: What errors call the video.

    Attributes:
        first_frame, runs: See `Mouths`.

    Raises:
        NoFaceError: Nobody is there, or not the face that is asked for; on entering.
    """

    def __init__(
        self,
        frames: Iterable[np.ndarray],
        fps: float,
        crop: CropKind,
        face: str | int = "moving",
        progress: Progress | None = None,
        name: str | None = None,
    ):
        self._passes = Passes(frames, progress)
        self._video = frames if isinstance(frames, Video) else None
        self._fps, self._face, self._name = fps, face, name
        self._crop: CropKind = crop
        self._until = ExitStack()
        self._early: EarlyCrops | None = None
        self.first_frame = 0 if self._video is None else self._video.first_frame
        self.runs: list[Run] = []

    def __enter__(self) -> "Extraction":
        with ExitStack() as until:
            if self._video is not None and self._video.is_long and self._crop == "lipscribe":
                self._early = until.enter_context(EarlyCrops(self._fps))  # a long video is not decoded again
            self._find_faces()
            self._until = until.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._until.close()

    def _find_faces(self) -> None:
        self._tracks = track_faces(self._passes.read("faces"), self._fps, face_detector(), self._early)
        self._chosen = self._choose()
        self._run_tracks = [run for track in self._chosen for run in track.runs()]
        self.runs = [Run(run.id, run.start, run.stop) for run in self._run_tracks]
        self._check = QualityCheck(self._chosen, self._crop, self._video.info.width if self._video else None)

    def crops(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Mouths.crops`."""
        numbers = self._early.find(self._run_tracks) if self._early else None
        if self._early is None or numbers is None:
            yield from self._check.watch(self._passes.read("mouths"))
        else:
            cut = self._early.stream(self._run_tracks, numbers, self._passes.count("mouths"))
            yield from self._check.watch_crops(cut, self._early.frame_size)

    def summary(self) -> Summary:
        """See `Mouths.summary`."""
        self._passes.finish("mouths")
        num_frames, chosen = self._passes.num_frames, self._chosen
        coverage = float(frames_found(chosen, num_frames).mean())
        warnings = [*(self._video.warnings if self._video else ()), *orientation_warnings(chosen)]
        warnings += crop_warnings(self._run_tracks, self._crop)
        warnings += cut_warnings(chosen, num_frames, self.first_frame)
        if self._face == "moving" and (others := _left_out(self._tracks, chosen)):
            warnings.append(f"not read: {others} other face{'s' * (others > 1)}; --face all reads all faces")
        if coverage < LOW_COVERAGE and self._face in ("moving", "largest", "all"):
            warnings.append(
                f"the face was found in only {coverage:.0%} of the frames: words are missing; see lipscribe inspect"
            )
        warnings += reading_warnings(self._check.quality(coverage), num_frames)
        return Summary(num_frames, coverage, tuple(warnings))

    def _choose(self) -> list[FaceTrack]:
        """`choose_faces`, whose error names the source."""
        try:
            return choose_faces(self._tracks, self._face)
        except NoFaceError as error:
            warnings = self._video.warnings if self._video else ()  # damaged pictures show no face
            why = "; ".join([str(error), *warnings])
            raise NoFaceError(f"{self._name}: {why}" if self._name else why) from None


def face_detector() -> FaceDetector:
    """The face detector of this thread, loaded with its first video."""
    if not hasattr(_of_thread, "detector"):
        _of_thread.detector = load_face_detector()
    return _of_thread.detector


def _left_out(tracks: list[FaceTrack], chosen: list[FaceTrack]) -> int:
    """The number of unselected faces that are in view for long."""
    others = (track for track in tracks if not any(read.covers(track) for read in chosen))
    return len({track.id for track in others if track.coverage >= LONG_PRESENT})
