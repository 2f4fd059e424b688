"""Whether a picture is upside down, without a word about it in the file."""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from lipscribe.faces.detector import FaceDetector
from lipscribe.faces.track import FaceTrack, choose_faces, frames_found
from lipscribe.faces.tracking import track_faces

UPSIDE_DOWN = (
    "upside down: a face is there when the picture is turned by 180 degrees; "
    "turn it with `ffmpeg -i IN -vf hflip,vflip OUT.mp4`"
)

# A talker upside down is taken for an upright face in 16 to 43 % of the frames, a few at a time; turned, in all.
_ENOUGH = 0.5  # share of the frames looked at
_TIMES = 2.0  # as many as in the picture as it is
_STRETCH = 50  # frames looked at in a row
_NUM_STRETCHES = 5
_REACH = 4500  # frames from the beginning over which the stretches are spread, since they must be decoded again


def is_upside_down(
    frames: Iterable[np.ndarray], num_frames: int, tracks: list[FaceTrack], detector: FaceDetector | None = None
) -> bool:
    """Whether a face is seen far better when the picture is turned by 180 degrees.

    Worth asking where faces are missing. A face lying on its side needs no such question: it is found, and its crops
    come out upright.

    Args:
        frames: (H, W, 3) uint8 RGB each; they are read once more, as far as the first three minutes.
        num_frames: How many there are.
        tracks: The faces found in the picture as it is.
        detector: See `track_faces`.
    """
    reach = min(num_frames, _REACH)
    spacing = max(reach // _NUM_STRETCHES, _STRETCH)
    sample = [frame_idx for frame_idx in range(reach) if frame_idx % spacing < _STRETCH]
    if not sample:
        return False
    looked_at = set(sample)
    turned = (
        np.ascontiguousarray(frame[::-1, ::-1])
        for frame_idx, frame in enumerate(islice(frames, reach))
        if frame_idx in looked_at
    )
    found_turned = track_faces(turned, detector=detector)
    upright = frames_found(choose_faces(tracks), num_frames)[sample].mean() if tracks else 0.0
    share = frames_found(choose_faces(found_turned), len(sample)).mean() if found_turned else 0.0
    return bool(share >= max(_ENOUGH, _TIMES * upright))
