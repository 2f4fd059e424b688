"""A camera's frames as they come -> words as they are said."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from statistics import median

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceDetector, load_face_detector
from lipscribe.model import Model
from lipscribe.mouth.measures import measure_shape
from lipscribe.mouth.quality import AWAY_GOOD
from lipscribe.search import ResolvedSearch, SearchOptions
from lipscribe.streaming.clock import Clock
from lipscribe.streaming.crops import CropCutter, FaceFollower, check_frame, grey_crop
from lipscribe.streaming.framing import Framing, judge_framing
from lipscribe.streaming.reading import LOOK_AHEAD, STEP, LiveReader, StreamUpdate
from lipscribe.units import Seconds

JUDGED_EVERY = 5  # frames: how often framing is judged


class Stream:
    """Reads one person before a camera.

    One stream belongs to one camera and is used by one thread at a time. Its memory does not grow.

    Args:
        model: A loaded model of "lipscribe" crops.
        options: Of the search, such as a grammar or alternatives.
        look_ahead: Seconds after a word's last frame before it is committed.
        step: Seconds from one reading to the next.
        detector: Finds the faces; by default one is loaded.

    Attributes:
        framing: How the person is seen; None before the first frame.

    Raises:
        ConfigError: The model reads other crops, or the options contradict each other.
    """

    def __init__(
        self,
        model: Model,
        options: SearchOptions | ResolvedSearch | None = None,
        *,
        look_ahead: Seconds = LOOK_AHEAD,
        step: Seconds = STEP,
        detector: FaceDetector | None = None,
    ):
        if model.spec.input.crop != "lipscribe":
            raise ConfigError(
                f"model {model.name} reads {model.spec.input.crop} crops, which need frames that come later: live "
                "reading wants a model of lipscribe crops, such as grid-live"
            )
        self._fps = model.spec.input.fps
        self._reader = LiveReader(model, options, look_ahead, step)
        self._given_detector = detector
        self._follower: FaceFollower | None = None
        self._frames: Clock[np.ndarray] = Clock(self._fps)
        self._crops: Clock[np.ndarray] = Clock(self._fps)
        self._cutter = CropCutter(self._fps)
        self._last: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = None
        self._times: deque[Seconds] = deque(maxlen=15)
        self._judged = 0
        self._yaws: deque[float] = deque(maxlen=JUDGED_EVERY)  # degrees to either side
        self.framing: Framing | None = None

    def add(self, frame: np.ndarray, time: Seconds) -> list[StreamUpdate]:
        """Takes the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB, at any rate; sizes may change. It is kept until some later ones have come, so a
                buffer that is filled again has to be copied.
            time: When it was captured, in seconds from any beginning; word times are of the same clock.

        Raises:
            ConfigError: The frame is something else, or the time is not later than that of the frame before.
        """
        gap, ticks = self._frames.add(check_frame(frame), time)
        self._times.append(time)
        updates = self._break() if gap else []
        for tick, due in ticks:
            crop, is_new = self._crop(due)
            if crop is None or is_new:
                updates += self._reader.end()
            if crop is not None:
                updates += self._reader.add(crop, tick)
        return updates

    def add_crop(self, crop: np.ndarray, time: Seconds) -> list[StreamUpdate]:
        """As `add`, for a mouth crop (96, 96) uint8 that `crop_mouth` or a browser has cut."""
        gap, ticks = self._crops.add(grey_crop(np.asarray(crop)), time)
        updates = self._reader.end() if gap else []
        for tick, due in ticks:
            updates += self._reader.add(due, tick)
        return updates

    def flush(self) -> list[StreamUpdate]:
        """Ends the utterance now: what is tentative is committed."""
        return self._reader.end()

    def finish(self) -> list[StreamUpdate]:
        """Ends the stream."""
        return self._reader.end()

    def _break(self) -> list[StreamUpdate]:
        """Ends everything before a gap."""
        if self._follower is not None:
            self._follower.reset()
        self._cutter = CropCutter(self._fps)
        self._last = None
        self._times.clear()
        return self._reader.end()

    def _crop(self, frame: np.ndarray) -> tuple[np.ndarray | None, bool]:
        """The mouth crop of a frame, None where no face is or it looks away; whether it is another person than before.

        A frame that stays is not searched again.
        """
        if self._last is not None and self._last[0] is frame:
            return self._last[2], False
        if self._follower is None:  # ready crops need none
            self._follower = FaceFollower(self._given_detector or load_face_detector(), self._fps)
        landmarks = self._follower.find(frame)
        if self._follower.is_new:
            self._cutter = CropCutter(self._fps)
            self._yaws.clear()
        if landmarks is not None:
            crop = self._cutter.cut(frame, landmarks)
            self._yaws.append(abs(float(measure_shape(landmarks[None])[0, 1])))
        else:  # one that is lost for a moment stays as it was
            crop = self._last[2] if self._last is not None and self._follower.is_there else None
        if self._judged % JUDGED_EVERY == 0 or landmarks is None:
            self.framing = judge_framing(frame, landmarks, crop, self._rate())
        self._judged += 1
        if self._yaws and median(self._yaws) > AWAY_GOOD:  # who looks away speaks to somebody else, or is not readable
            crop = None
        self._last = frame, landmarks, crop
        return crop, self._follower.is_new

    def _rate(self) -> float:
        """Frames a second that the camera gives."""
        times = list(self._times)
        steps = [later - earlier for earlier, later in pairwise(times)]
        return 1 / max(median(steps), 1e-3) if steps else self._fps


def read_stream(
    model: Model, frames: Iterable[tuple[Seconds, np.ndarray]], options: SearchOptions | ResolvedSearch | None = None
) -> Iterator[StreamUpdate]:
    """Reads pairs of capture time and frame (H, W, 3) uint8 RGB as they come; see `Stream`."""
    stream = Stream(model, options)
    for time, frame in frames:
        yield from stream.add(frame, time)
    yield from stream.finish()
