"""Key frames, with a drawn mesh: which frames are read, and what comes out for those between."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lipscribe.faces import load_face_detector, track_faces
from lipscribe.faces.blazeface import Detection
from lipscribe.faces.detector import SeveralFrames
from lipscribe.faces.following import SEARCH_INTERVAL, FollowingDetector
from lipscribe.faces.key_frames import KEY_INTERVAL, KeyFrameDetector
from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.mesh import Face
from lipscribe.faces.regions import Region

SIDE = 80
INSIDE = np.random.default_rng(0).integers(150, 256, (8, 8, 3)).astype(np.uint8)
FLAT = np.full_like(INSIDE, 200)
MESH = np.random.default_rng(1).uniform(-0.5, 0.5, (468, 2))  # of a face at 0, 0 that is 1 wide
MESH[[33, 133, 362, 263]] = [[-0.2, -0.1], [-0.1, -0.1], [0.1, -0.1], [0.2, -0.1]]
MESH[[10, 152, 234, 454]] = [[0, -0.5], [0, 0.5], [-0.5, 0], [0.5, 0]]


def squares(frame: np.ndarray) -> list[tuple[float, float]]:
    """The middles of the bright squares."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((frame[..., 0] > 128).astype(np.uint8))
    return [(x + w / 2, y + h / 2) for x, y, w, h, _ in stats[1:].tolist() if w > SIDE / 2]


def is_in(x: float, y: float, region: Region) -> bool:
    return max(abs(x - region.x), abs(y - region.y)) < region.side / 4


class DrawnDetector:
    """Finds all squares."""

    def find(self, frame: np.ndarray, region: Region | None = None) -> list[Detection]:
        inside = [
            place for place in squares(frame) if region is None or is_in(*place, replace(region, side=2 * region.side))
        ]
        corners = np.array([[-SIDE, -SIDE], [SIDE, SIDE]], np.float32) / 2
        return [Detection(corners + place, Region(*place, 1.5 * SIDE), 1.0) for place in inside]


class DrawnMesh:
    """Reads the square in the middle of the region, and remembers in which frames; sees nobody in the `blind` ones."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.blind: list[np.ndarray] = []
        self.calls = 0

    def read(self, frame: np.ndarray, region: Region) -> Face | None:
        self.calls += 1
        self.frames.append(frame)
        if any(frame is blind for blind in self.blind):
            return None
        for place in squares(frame):
            if is_in(*place, region):
                return Face((SIDE * MESH + place).astype(np.float32), 20.0)
        return None


class Networks:
    """A detector of drawn faces, and which frames its mesh reads."""

    def __init__(self) -> None:
        self.mesh = DrawnMesh()
        self.detector = KeyFrameDetector(FollowingDetector(self.mesh, DrawnDetector(), DrawnDetector(), 4))

    def read_in(self, frames: Sequence[np.ndarray]) -> list[int]:
        """Which of the frames were read."""
        return [t for t, frame in enumerate(frames) if any(frame is read for read in self.mesh.frames)]


@pytest.fixture
def networks() -> Networks:
    return Networks()


def draw(*faces: tuple[float, float], pattern: np.ndarray = INSIDE) -> np.ndarray:
    """Bright patterned squares around (x, y) on black."""
    frame = np.zeros((288, 360, 3), np.uint8)
    face = cv2.resize(pattern, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    face[..., 0] = np.maximum(face[..., 0], 140)
    for x, y in faces:
        left, top = round(x - SIDE / 2), round(y - SIDE / 2)
        right, bottom = min(left + SIDE, 360), min(top + SIDE, 288)
        frame[max(top, 0) : bottom, max(left, 0) : right] = face[
            max(-top, 0) : bottom - top, max(-left, 0) : right - left
        ]
    return frame


def middles(found: Sequence[Sequence[np.ndarray]]) -> list[list[tuple[int, int]]]:
    return [
        sorted((round(float(x)), round(float(y))) for x, y in ((face.min(0) + face.max(0)) / 2 for face in faces))
        for faces in found
    ]


def run(networks: Networks, frames: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """All frames as `track_faces` has them read: the first by itself."""
    found = networks.detector.detect_all(frames[:1])
    for start in range(1, len(frames), KEY_INTERVAL):
        found += networks.detector.detect_all(frames[start : start + KEY_INTERVAL])
    return found


def test_a_face_that_stays_is_read_in_key_frames(networks: Networks) -> None:
    frames = [draw((150, 120)) for _ in range(33)]
    found = run(networks, frames)
    assert middles(found) == [[(150, 120)]] * 33
    assert networks.read_in(frames) == [0, 8, 16, 24, 32]
    assert {(face.shape, face.dtype.name) for faces in found for face in faces} == {((len(MESH_INDICES), 2), "float32")}


def test_a_head_that_moves_evenly_is_where_it_is_in_every_frame(networks: Networks) -> None:
    frames = [draw((100 + 2 * t, 120 + t)) for t in range(33)]
    assert middles(run(networks, frames)) == [[(100 + 2 * t, 120 + t)] for t in range(33)]
    assert len(networks.read_in(frames)) < 12


def test_a_head_that_turns_round_is_read_more_often(networks: Networks) -> None:
    places = [100 + 12 * abs(4 - t % 8) / 4 * 2 for t in range(1, 33)]
    frames = [draw((x, 120)) for x in (100, *places)]
    got = [faces[0][0] for faces in middles(run(networks, frames))]
    assert np.abs(np.array(got) - [100, *places]).max() <= 1
    assert len(networks.read_in(frames)) > 8


def test_a_head_whose_pace_changes_is_read_more_often_though_its_pictures_are_alike(networks: Networks) -> None:
    """A fourth of a swing lies between two key frames: the straight way is 1.7 px off."""
    places = 150 + 8 * np.sin(2 * np.pi * np.arange(33) / 32)
    frames = [draw((x, 120), pattern=FLAT) for x in places]
    found = run(networks, frames)
    got = [float(face[:, 0].min() + face[:, 0].max()) / 2 for (face,) in found]
    assert np.abs(np.array(got) - np.round(places)).max() <= 1
    assert networks.read_in(frames) == list(range(0, 33, 2))


def test_a_picture_unlike_those_before_is_read(networks: Networks) -> None:
    """A mouth that opens and shuts between two key frames."""
    open_mouth = INSIDE.copy()
    open_mouth[5:7, 2:6] = (150, 20, 20)
    frames = [draw((150, 120), pattern=open_mouth if t == 12 else INSIDE) for t in range(25)]
    run(networks, frames)
    assert networks.read_in(frames) == [0, 8, 12, 16, 24]


def test_a_face_that_jumps_is_read_in_every_frame(networks: Networks) -> None:
    frames = [draw((150 if t < 12 else 174, 120), pattern=FLAT) for t in range(17)]
    assert middles(run(networks, frames)) == [[(150, 120)]] * 12 + [[(174, 120)]] * 5
    assert networks.read_in(frames)[2:] == list(range(9, 17))


def test_where_somebody_is_lost_nothing_is_made_up(networks: Networks) -> None:
    """Whether in a key frame or between two."""
    frames = [draw((100, 120), (260, 120)) if t not in range(12, 20) else draw((100, 120)) for t in range(25)]
    counts = [len(faces) for faces in run(networks, frames)]
    assert counts == [2] * 12 + [1] * 8 + [2] * 5
    networks.detector.reset()
    hidden = [draw((100, 120)) if t != 12 else draw((100, 120), pattern=255 - INSIDE // 2) for t in range(25)]
    networks.mesh.blind = hidden[12:13]
    assert [len(faces) for faces in run(networks, hidden)] == [1] * 12 + [0] + [1] * 12


def test_who_enters_is_found_in_the_same_frame_as_frame_by_frame(networks: Networks) -> None:
    frames = [draw((100, 120), *([(260, 120)] if t > 3 else [])) for t in range(2 * SEARCH_INTERVAL)]
    counts = [len(faces) for faces in run(networks, frames)]
    assert counts == [1] * SEARCH_INTERVAL + [2] * SEARCH_INTERVAL
    networks.detector.reset()
    assert [len(networks.detector.detect(frame)) for frame in frames] == counts


def test_frame_by_frame_and_several_at_once_may_alternate(networks: Networks) -> None:
    frames = [draw((100 + 2 * t, 120)) for t in range(40)]
    found = run(networks, frames[:17])
    found += [networks.detector.detect(frame) for frame in frames[17:25]]
    found += networks.detector.detect_all(frames[25:])
    assert middles(found) == [[(100 + 2 * t, 120)] for t in range(40)]


def test_no_frames_are_no_faces(networks: Networks) -> None:
    assert networks.detector.detect_all([]) == []
    run(networks, [draw((100, 120))])
    assert networks.detector.detect_all([]) == []


def test_a_picture_that_stays_costs_nothing_and_its_face_stays(networks: Networks) -> None:
    """`Video` gives out a read-only picture as often as it is shown."""
    pictures = [draw((100 + 3 * t, 120)) for t in range(8)]
    for picture in pictures:
        picture.flags.writeable = False
    frames = [picture for picture in pictures for _ in range(3)]
    assert middles(run(networks, frames)) == [[(100 + 3 * (t // 3), 120)] for t in range(24)]
    calls = networks.mesh.calls
    found = run(networks, [pictures[-1]] * 500)
    assert middles(found) == [[(121, 120)]] * 500
    assert networks.mesh.calls == calls


def test_nobody_there_is_looked_for_in_every_frame(networks: Networks) -> None:
    frames = [draw() if t < 11 else draw((150, 120)) for t in range(25)]
    assert [len(faces) for faces in run(networks, frames)] == [0] * 11 + [1] * 14


def test_frames_that_are_views_are_read(networks: Networks) -> None:
    frames = [draw((100 + t, 120))[:, ::-1] for t in range(17)]
    assert middles(run(networks, frames)) == [[(260 - t, 120)] for t in range(17)]


def test_tracking_reads_key_frames_only_where_the_detector_can() -> None:
    class OneByOne:
        def __init__(self) -> None:
            self.networks, self.num_frames = Networks(), 0

        def detect(self, frame: np.ndarray) -> list[np.ndarray]:
            self.num_frames += 1
            return self.networks.detector.detect(frame)

        def reset(self) -> None:
            self.networks.detector.reset()

    frames, detector, networks = [draw((100 + t, 120)) for t in range(30)], OneByOne(), Networks()
    (every,) = track_faces(frames, 25.0, detector)
    (key,) = track_faces(frames, 25.0, networks.detector)
    assert detector.num_frames == 30
    assert networks.mesh.calls < 12
    np.testing.assert_allclose(key.landmarks, every.landmarks, atol=1.0)


def test_the_detector_that_is_loaded_reads_key_frames() -> None:
    assert isinstance(load_face_detector(), SeveralFrames)
