"""Meshes led by a scout, with both drawn: faces are white squares, and the networks see what the real ones see."""

import cv2
import numpy as np
import pytest

from lipscribe.faces.scouting import (
    SCOUT_INTERVAL,
    TILE_INTERVAL,
    TILE_SIDE,
    Box,
    ScoutingDetector,
    tile_corners,
)

MESH_SEES, SCOUT_SEES = 1 / 8, 1 / 15  # of the picture's width


def squares(frame: np.ndarray) -> list[Box]:
    """Boxes of the white squares, the largest first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((frame[..., 0] > 128).astype(np.uint8))
    boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist()]
    return sorted(boxes, key=lambda box: box[0] - box[2])


def overlaps(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


class Networks:
    """Opens meshes and scouts, and counts them."""

    def __init__(self) -> None:
        self.opened = self.closed = self.reads = self.looks = 0

    def open_mesh(self) -> "DrawnMesh":
        self.opened += 1
        return DrawnMesh(self)

    def open_scout(self) -> "DrawnScout":
        self.opened += 1
        return DrawnScout(self)


class DrawnMesh:
    """Follows a square of any size while it overlaps its last place; finds none narrower than MESH_SEES."""

    def __init__(self, networks: Networks):
        self._networks, self._last = networks, None

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        assert frame.flags.c_contiguous
        self._networks.reads += 1
        seen = squares(frame)
        followed = [box for box in seen if self._last is not None and overlaps(box, self._last)]
        found = followed or [box for box in seen if box[2] - box[0] >= MESH_SEES * frame.shape[1]]
        self._last = found[0] if found else None
        return np.array(self._last, np.float32).reshape(2, 2) if found else None

    def close(self) -> None:
        self._networks.closed += 1


class DrawnScout:
    """Finds all squares that are not narrower than SCOUT_SEES."""

    def __init__(self, networks: Networks):
        self._networks = networks

    def find(self, frame: np.ndarray) -> list[Box]:
        assert frame.flags.c_contiguous
        self._networks.looks += 1
        return [box for box in squares(frame) if box[2] - box[0] >= SCOUT_SEES * frame.shape[1]]

    def close(self) -> None:
        self._networks.closed += 1


def picture(*faces: tuple[float, float, float], size: tuple[int, int] = (288, 360)) -> np.ndarray:
    """White squares (x, y of the middle, width) on black."""
    frame = np.zeros((*size, 3), np.uint8)
    for x, y, width in faces:
        left, top = round(x - width / 2), round(y - width / 2)
        frame[max(top, 0) : max(top + round(width), 0), max(left, 0) : max(left + round(width), 0)] = 255
    return frame


def middles(faces: list[np.ndarray]) -> list[tuple[int, int]]:
    return sorted((round(float(face[:, 0].mean())), round(float(face[:, 1].mean()))) for face in faces)


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def detector(networks: Networks) -> ScoutingDetector:
    return ScoutingDetector(networks.open_mesh, networks.open_scout, max_faces=4)


def test_one_face_costs_one_reading_a_frame(detector: ScoutingDetector, networks: Networks) -> None:
    for t in range(31):
        assert middles(detector.detect(picture((100 + t, 120, 80)))) == [(100 + t, 120)]
    assert (networks.opened, networks.reads, networks.looks) == (2, 31, -(-31 // SCOUT_INTERVAL))


def test_everybody_is_there_from_the_first_frame(detector: ScoutingDetector, networks: Networks) -> None:
    people = [(60, 60, 80), (220, 70, 60), (100, 220, 40), (260, 220, 30)]
    for _ in range(40):
        assert middles(detector.detect(picture(*people))) == sorted((x, y) for x, y, _ in people)
    assert networks.opened == 1 + len(people)


def test_no_more_faces_than_asked_for(networks: Networks) -> None:
    detector = ScoutingDetector(networks.open_mesh, networks.open_scout, max_faces=2)
    people = [(60, 60, 80), (260, 220, 30), (220, 70, 60), (100, 220, 40)]
    for _ in range(20):
        assert middles(detector.detect(picture(*people))) == [(60, 60), (220, 70)]


def test_who_enters_is_seen_after_the_scouts_interval(detector: ScoutingDetector) -> None:
    one, two = picture((60, 60, 80)), picture((60, 60, 80), (220, 70, 60))
    detector.detect(one)
    counts = [len(detector.detect(two)) for _ in range(SCOUT_INTERVAL)]
    assert counts == [1] * (SCOUT_INTERVAL - 1) + [2]


def test_a_close_up_follows_its_face(detector: ScoutingDetector) -> None:
    for t in range(100):
        moving = (100 + 2 * t, 220 - t, 30 + 0.4 * t)
        got = middles(detector.detect(picture((60, 60, 80), moving)))
        assert len(got) == 2, t
        np.testing.assert_allclose(got[1], moving[:2], atol=1.5)


def test_a_face_that_jumps_out_of_its_close_up_is_found_again(detector: ScoutingDetector) -> None:
    for _ in range(3):
        detector.detect(picture((60, 60, 80), (300, 220, 40)))
    got = [len(detector.detect(picture((60, 60, 80), (150, 220, 40)))) for _ in range(2 * SCOUT_INTERVAL)]
    assert got[0] == 1
    assert got[SCOUT_INTERVAL:] == [2] * SCOUT_INTERVAL


def test_a_face_that_leaves_over_the_edge_is_gone(detector: ScoutingDetector) -> None:
    for t in range(60):
        got = detector.detect(picture((60, 60, 80), (300 + 4 * t, 220, 40)))
    assert middles(got) == [(60, 60)]


def test_nobody_is_seen_twice(detector: ScoutingDetector) -> None:
    """The large face leaves, so the mesh on the whole picture turns to the one that has a close-up."""
    for _ in range(5):
        detector.detect(picture((60, 100, 80), (260, 200, 60)))
    for _ in range(40):
        assert middles(detector.detect(picture((260, 200, 60)))) == [(260, 200)]


def test_small_faces_cost_no_search_of_the_whole_picture(detector: ScoutingDetector, networks: Networks) -> None:
    small = picture((100, 100, 30))
    for _ in range(SCOUT_INTERVAL):
        assert middles(detector.detect(small)) == [(100, 100)]
    assert networks.reads == SCOUT_INTERVAL + 1


def test_faces_too_small_for_the_scout_are_found_in_tiles(detector: ScoutingDetector) -> None:
    people = [(100, 100, 50), (1240, 690, 46), (640, 360, 60)]
    for _ in range(3):
        assert middles(detector.detect(picture(*people, size=(720, 1280)))) == [(100, 100), (640, 360), (1240, 690)]


def test_tiles_are_searched_seldom_while_somebody_is_there(detector: ScoutingDetector, networks: Networks) -> None:
    large, entering = (300, 300, 300), (1000, 600, 50)
    detector.detect(picture(large, size=(720, 1280)))
    looks = networks.looks
    counts = [len(detector.detect(picture(large, entering, size=(720, 1280)))) for _ in range(TILE_INTERVAL)]
    assert counts == [1] * (TILE_INTERVAL - 1) + [2]
    assert networks.looks == looks + TILE_INTERVAL // SCOUT_INTERVAL + len(tile_corners(720, 1280))


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (288, 360), (900, 2)])
def test_pictures_without_a_face(detector: ScoutingDetector, size: tuple[int, int]) -> None:
    for _ in range(3):
        assert detector.detect(picture(size=size)) == []


def test_reset_forgets_the_shot_without_starting_anew(detector: ScoutingDetector, networks: Networks) -> None:
    people = picture((60, 60, 80), (220, 70, 60))
    for _ in range(3):
        assert len(detector.detect(people)) == 2
        detector.reset()
        assert middles(detector.detect(picture((150, 150, 100)))) == [(150, 150)]
        detector.reset()
    assert networks.opened == 3


def test_a_mesh_that_cannot_forget_is_closed(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DrawnMesh, "read", lambda self, frame: np.zeros((2, 2), np.float32))
    detector = ScoutingDetector(networks.open_mesh, networks.open_scout, max_faces=1)
    detector.detect(picture())
    detector.reset()
    assert networks.closed == 1


def test_close_frees_everything(detector: ScoutingDetector, networks: Networks) -> None:
    detector.detect(picture((60, 60, 80), (220, 70, 60)))
    detector.close()
    assert networks.closed == networks.opened == 3


def test_close_before_the_first_frame(detector: ScoutingDetector, networks: Networks) -> None:
    detector.close()
    assert (networks.opened, networks.closed) == (0, 0)


def test_frames_that_are_views_are_read(detector: ScoutingDetector) -> None:
    assert middles(detector.detect(picture((100, 120, 80))[:, ::-1])) == [(260, 120)]


@pytest.mark.parametrize("size", [(960, 960), (720, 1280), (1080, 1920), (1920, 1080), (300, 3000)])
def test_tiles_cover_the_picture_and_overlap(size: tuple[int, int]) -> None:
    covered = np.zeros(size, int)
    for left, top in tile_corners(*size):
        assert left + min(TILE_SIDE, size[1]) <= size[1]
        assert top + min(TILE_SIDE, size[0]) <= size[0]
        covered[top : top + TILE_SIDE, left : left + TILE_SIDE] += 1
    assert covered.min() == 1
    for face in np.random.default_rng(0).uniform((60, 60), (size[1] - 60, size[0] - 60), (50, 2)):
        whole = [
            left <= face[0] - 60 and face[0] + 60 <= left + TILE_SIDE and top <= face[1] - 60 <= top + TILE_SIDE - 120
            for left, top in tile_corners(*size)
        ]
        assert any(whole)


@pytest.mark.parametrize("size", [(288, 360), (576, 720), (640, 640)])
def test_small_pictures_have_no_tiles(size: tuple[int, int]) -> None:
    assert tile_corners(*size) == []
