"""Pictures that are upside down without a word about it in the file."""

import numpy as np
import pytest

from lipscribe.faces import FaceTrack
from lipscribe.faces.turned import is_upside_down
from lipscribe.mouth import REFERENCE_FACE, STABLE_POINTS

FACE = np.full((91, 2), (100.0, 80.0), np.float32)
FACE[STABLE_POINTS] += REFERENCE_FACE


class MarkDetector:
    """Sees a face wherever the picture's upper left corner is white: upright, that is."""

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        return [FACE.copy()] if frame[0, 0, 0] else []

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def picture(corner: tuple[int, int] | None) -> np.ndarray:
    """Grey waves with one white corner."""
    frame = np.zeros((160, 200, 3), np.uint8)
    frame[10:-10, 10:-10] = (128 + 100 * np.sin(np.arange(180) / 9)).astype(np.uint8)[None, :, None]
    if corner is not None:
        frame[corner] = 255
    return frame


def track(start: int, num_frames: int) -> FaceTrack:
    return FaceTrack(0, 0, start, np.repeat(FACE[None], num_frames, 0), 25.0)


@pytest.mark.parametrize(
    ("corner", "tracks", "answer"),
    [
        ((-1, -1), [], True),
        ((-1, -1), [track(0, 100)], True),  # an upright face is imagined for a third of the time
        ((-1, -1), [track(0, 200)], False),  # ... or there: two people, one of them on his head
        ((0, -1), [], False),
        (None, [], False),
        ((0, 0), [], False),
    ],
)
def test_a_face_that_only_the_turned_picture_shows(corner, tracks, answer):
    frames = [picture(corner)] * 300
    assert is_upside_down(frames, len(frames), tracks, MarkDetector()) is answer


def test_a_face_that_comes_late_is_seen():
    frames = [picture(None)] * 100 + [picture((-1, -1))] * 200
    assert is_upside_down(frames, len(frames), [], MarkDetector())


def test_of_a_long_video_only_the_beginning_is_read_again():
    num_read = 0

    def frames():
        nonlocal num_read
        while True:
            num_read += 1
            yield picture((-1, -1))

    assert is_upside_down(frames(), 90_000, [], MarkDetector())
    assert num_read <= 4501


@pytest.mark.parametrize("num_frames", [0, 1])
def test_next_to_no_frames(num_frames):
    assert not is_upside_down([picture(None)] * num_frames, num_frames, [], MarkDetector())
