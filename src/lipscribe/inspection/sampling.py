"""A few frames of a video for its contact sheet, and the second reading, which measures every mouth."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.mouth import CropKind, mouth_cutter
from lipscribe.mouth.measures import MouthMeter

NUM_SAMPLES = 6  # frames on the contact sheet
SAMPLE_SIDE = 640  # px: longer side of a frame that is kept for it


@dataclass
class SampleFrame:
    """A frame for the contact sheet.

    Attributes:
        frame_idx: Its number.
        picture: (h, w, 3) uint8 RGB, made smaller.
        scale: Pixels of `picture` for a pixel of the frame that landmarks are measured in.
        crop: (96, 96) uint8 mouth of the chosen face, None where it is not there.
    """

    frame_idx: int
    picture: np.ndarray
    scale: float
    crop: np.ndarray | None = None


class Sampler:
    """Keeps a few frames, evenly spread over a video whose length nobody knows yet.

    Attributes:
        num_frames: How many frames there were so far.
        frame_width: Of each, pixels.
    """

    def __init__(self) -> None:
        self.num_frames = 0
        self.frame_width = 0
        self._kept: list[SampleFrame] = []
        self._interval = 1

    def watch(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Passes the frames on."""
        for frame in frames:
            if self.num_frames % self._interval == 0:
                self._keep(frame)
            self.num_frames += 1
            self.frame_width = frame.shape[1]
            yield frame

    def samples(self) -> tuple[SampleFrame, ...]:
        """Up to `NUM_SAMPLES` of the frames, in order."""
        # From the middle of each part: the very first and last frames are the least telling ones.
        indices = (np.arange(NUM_SAMPLES) + 0.5) * len(self._kept) / NUM_SAMPLES
        return tuple(self._kept[i] for i in sorted(set(indices.astype(int))) if i < len(self._kept))

    def _keep(self, frame: np.ndarray) -> None:
        import cv2

        if len(self._kept) == 4 * NUM_SAMPLES:
            self._kept = self._kept[::2]
            self._interval *= 2
            if self.num_frames % self._interval:
                return
        scale = min(1.0, SAMPLE_SIDE / max(frame.shape[:2]))
        picture = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame
        self._kept.append(SampleFrame(self.num_frames, picture, scale))


class TrackedMouth:
    """The mouth of one run of a face, and what is measured on it.

    Attributes:
        start, stop: Frames of the video.
        meter: Has the measures.
    """

    def __init__(self, run: FaceTrack, kind: CropKind = "lipscribe", scale: float = 1.0):
        self.start, self.stop = run.start, run.stop
        self.meter = MouthMeter(run, kind, scale)
        self._cut = mouth_cutter(run.landmarks, kind, run.cuts)

    def crop(self, frame: np.ndarray, frame_idx: int) -> np.ndarray:
        """The crop (96, 96) uint8 of a frame of the video."""
        return self._cut(frame, frame_idx - self.start)

    def read(self, frame: np.ndarray, frame_idx: int) -> np.ndarray:
        """Measures the crop of a frame and returns it."""
        crop = self.crop(frame, frame_idx)
        self.meter.add(crop, frame_idx - self.start, frame.shape[:2])
        return crop


def read_mouths(
    video: Iterable[np.ndarray],
    mouths: list[TrackedMouth],
    samples: tuple[SampleFrame, ...],
    chosen: Sequence[FaceTrack],
) -> None:
    """Reads the video once, measures all mouths, and gives each sample the crop of the chosen face."""
    starting = defaultdict(list)
    for mouth in mouths:
        starting[mouth.start].append(mouth)
    sampled = {sample.frame_idx: sample for sample in samples}
    there: list[TrackedMouth] = []
    for frame_idx, frame in enumerate(video if mouths else ()):
        there = [mouth for mouth in there if mouth.stop > frame_idx] + starting[frame_idx]
        for mouth in there:
            crop = mouth.read(frame, frame_idx)
            is_read = frame_idx in sampled and any(track.covers(mouth.meter.run) for track in chosen)
            if is_read and sampled[frame_idx].crop is None:
                sampled[frame_idx].crop = crop
