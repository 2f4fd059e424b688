"""Faces found and followed, with drawn networks: faces are white squares, seen as the real networks see faces."""

import math

import cv2
import numpy as np
import pytest

from lipscribe.faces.blazeface import Detection
from lipscribe.faces.following import (
    SEARCH_INTERVAL,
    TILE_INTERVAL,
    TILE_SIDE,
    UNCHANGED_INTERVAL,
    FollowingDetector,
    tile_corners,
)
from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.mesh import Face
from lipscribe.faces.regions import Region

SHORT, FULL = 1 / 8, 1 / 15  # of the region's side: the narrowest face that each detector sees
CORNERS = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) / 2


def squares(frame: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of the white squares, the largest first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((frame[..., 0] > 128).astype(np.uint8))
    return sorted(((x, y, w, h) for x, y, w, h, _ in stats[1:].tolist()), key=lambda box: -box[2])


def is_in(x: float, y: float, region: Region) -> bool:
    return max(abs(x - region.x), abs(y - region.y)) <= region.side / 2


def is_up(angle: float, wanted: float) -> bool:
    """Whether two directions are less than 50 degrees apart."""
    return math.cos(angle - wanted) > math.cos(math.radians(50))


class DrawnDetector:
    """Finds squares whose middle is in the region; takes any face for upright, or upside down for upright."""

    def __init__(self, smallest: float, angle: float = 0.0):
        self.smallest, self.angle, self.calls = smallest, angle, 0

    def find(self, frame: np.ndarray, region: Region | None = None) -> list[Detection]:
        assert frame.flags.c_contiguous
        self.calls += 1
        region = region or Region.of_picture(frame)
        if abs(math.sin(region.angle - self.angle)) > 0.7:  # the face lies on its side there
            return []
        found = []
        for x, y, w, h in squares(frame):
            if w >= self.smallest * region.side and is_in(x + w / 2, y + h / 2, region):
                box = np.array([[x, y], [x + w, y + h]], np.float32)
                found.append(Detection(box, Region.around(box, 1.5, region.angle), w / 1000))
        return found


class DrawnMesh:
    """Reads the square in the middle of the region; a head is told the right way up only."""

    def __init__(self, angle: float = 0.0):
        self.angle, self.calls, self.is_blind = angle, 0, False

    def read(self, frame: np.ndarray, region: Region) -> Face | None:
        self.calls += 1
        if self.is_blind:
            return None
        for x, y, w, h in squares(frame):
            if is_in(x + w / 2, y + h / 2, Region(region.x, region.y, region.side / 2)) and w > region.side / 4:
                turn = np.array([[np.cos(self.angle), np.sin(self.angle)], [-np.sin(self.angle), np.cos(self.angle)]])
                points = np.tile(CORNERS, (117, 1)) @ turn * (w, h) + (x + w / 2, y + h / 2)
                points[[33, 263]] = np.array([[-0.2, 0], [0.2, 0]]) @ turn * w + (x + w / 2, y + h / 2)
                return Face(points.astype(np.float32), 20.0 if is_up(region.angle, self.angle) else 5.0)
        return None


class Networks:
    """The three networks, and what they cost."""

    def __init__(self, angle: float = 0.0):
        self.mesh, self.short, self.full = DrawnMesh(angle), DrawnDetector(SHORT, angle), DrawnDetector(FULL, angle)

    def detector(self, max_faces: int = 4) -> FollowingDetector:
        return FollowingDetector(self.mesh, self.short, self.full, max_faces)

    @property
    def calls(self) -> tuple[int, int, int]:
        return self.mesh.calls, self.short.calls, self.full.calls


def picture(*faces: tuple[float, float, float], size: tuple[int, int] = (288, 360)) -> np.ndarray:
    """White squares (x, y of the middle, width) on black."""
    frame = np.zeros((*size, 3), np.uint8)
    for x, y, width in faces:
        left, top = round(x - width / 2), round(y - width / 2)
        frame[max(top, 0) : max(top + round(width), 0), max(left, 0) : max(left + round(width), 0)] = 255
    return frame


def middles(faces: list[np.ndarray]) -> list[tuple[int, int]]:
    boxes = [(face.min(0) + face.max(0)) / 2 for face in faces]
    return sorted((round(float(x)), round(float(y))) for x, y in boxes)


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def detector(networks: Networks) -> FollowingDetector:
    return networks.detector()


def test_one_face_costs_one_reading_a_frame(detector: FollowingDetector, networks: Networks) -> None:
    """Beside that: two readings when it is new, and a search at the beginning."""
    for t in range(31):
        assert middles(detector.detect(picture((100 + t, 120, 80)))) == [(100 + t, 120)]
    assert networks.calls == (30 + 2, 1, 1)


def test_others_are_looked_for_where_the_picture_changes(detector: FollowingDetector, networks: Networks) -> None:
    """What changes here is too small for a face; else there is a search now and then."""
    for t in range(3 * SEARCH_INTERVAL):
        detector.detect(picture((100, 120, 80), (300, 200, 16 if t >= SEARCH_INTERVAL else 0)))
    assert networks.full.calls == 2
    for _ in range(3 * SEARCH_INTERVAL, UNCHANGED_INTERVAL + 1):
        detector.detect(picture((100, 120, 80), (300, 200, 16)))
    assert networks.full.calls == 3


def test_landmarks_are_those_that_are_kept(detector: FollowingDetector) -> None:
    (face,) = detector.detect(picture((100, 120, 80)))
    assert (face.shape, face.dtype) == ((len(MESH_INDICES), 2), np.float32)
    np.testing.assert_allclose(face[0], (84, 120))  # mesh point 33


def test_everybody_is_there_from_the_first_frame(detector: FollowingDetector) -> None:
    people = [(60, 60, 80), (220, 70, 60), (100, 220, 40), (260, 220, 30)]
    for _ in range(40):
        assert middles(detector.detect(picture(*people))) == sorted((x, y) for x, y, _ in people)


def test_no_more_faces_than_asked_for(networks: Networks) -> None:
    detector = networks.detector(max_faces=2)
    people = [(60, 60, 80), (260, 220, 30), (220, 70, 60), (100, 220, 40)]
    for _ in range(20):
        assert middles(detector.detect(picture(*people))) == [(60, 60), (220, 70)]


def test_who_enters_is_seen_after_the_interval(detector: FollowingDetector) -> None:
    one, two = picture((60, 60, 80)), picture((60, 60, 80), (220, 70, 60))
    detector.detect(one)
    counts = [len(detector.detect(two)) for _ in range(SEARCH_INTERVAL)]
    assert counts == [1] * (SEARCH_INTERVAL - 1) + [2]


def test_a_face_is_followed_while_it_moves_and_grows(detector: FollowingDetector) -> None:
    for t in range(100):
        moving = (100 + 2 * t, 220 - t, 30 + 0.4 * t)
        got = middles(detector.detect(picture((60, 60, 80), moving)))
        assert len(got) == 2, t
        np.testing.assert_allclose(got[1], moving[:2], atol=1.5)


def test_a_face_that_jumps_a_little_is_found_again_at_once(detector: FollowingDetector, networks: Networks) -> None:
    for _ in range(3):
        detector.detect(picture((60, 60, 80), (250, 200, 40)))
    searches = networks.full.calls
    assert middles(detector.detect(picture((60, 60, 80), (210, 180, 40)))) == [(60, 60), (210, 180)]
    assert networks.full.calls == searches


def test_a_face_that_jumps_far_is_found_again_by_the_search(detector: FollowingDetector) -> None:
    for _ in range(3):
        detector.detect(picture((60, 60, 80), (300, 220, 40)))
    got = [len(detector.detect(picture((60, 60, 80), (150, 220, 40)))) for _ in range(2 * SEARCH_INTERVAL)]
    assert got[0] == 1
    assert got[SEARCH_INTERVAL:] == [2] * SEARCH_INTERVAL


def test_a_lost_face_is_looked_for_around_its_place_for_a_while(networks: Networks) -> None:
    """It is too small for the detector that looks at the whole picture."""
    detector = networks.detector()
    people, alone = picture((60, 60, 80), (250, 200, 35)), picture((60, 60, 80))
    for _ in range(3):
        assert len(detector.detect(people)) == 2
    for _ in range(8):
        assert len(detector.detect(alone)) == 1
    assert len(detector.detect(people)) == 2, "found again without waiting for the search"


def test_a_face_that_is_gone_costs_nothing_any_more(detector: FollowingDetector, networks: Networks) -> None:
    for t in range(60):
        got = detector.detect(picture((60, 60, 80), (300 + 4 * t, 220, 40)))
    assert middles(got) == [(60, 60)]
    short = networks.short.calls
    for _ in range(SEARCH_INTERVAL):
        detector.detect(picture((60, 60, 80)))
    assert networks.short.calls == short


def test_lost_faces_take_no_place_from_those_that_are_there(networks: Networks) -> None:
    detector = networks.detector(max_faces=2)
    detector.detect(picture((60, 60, 80), (220, 70, 60)))
    got = [detector.detect(picture((60, 60, 80), (100, 220, 40))) for _ in range(SEARCH_INTERVAL)]
    assert middles(got[-1]) == [(60, 60), (100, 220)]


def test_nobody_is_seen_twice(detector: FollowingDetector) -> None:
    """Two faces meet in one place."""
    for t in range(40):
        x = max(260 - 6 * t, 70)
        got = middles(detector.detect(picture((60, 100, 80), (x, 100, 60))))
        assert len(got) == len(set(got))
    assert len(got) == 1


def test_small_faces_are_followed_without_a_search_of_the_picture(networks: Networks) -> None:
    detector = networks.detector()
    small = picture((100, 100, 30))
    for _ in range(SEARCH_INTERVAL):
        assert middles(detector.detect(small)) == [(100, 100)]
    assert (networks.short.calls, networks.full.calls) == (1, 1)


def test_faces_too_small_for_the_detectors_are_found_in_tiles(detector: FollowingDetector) -> None:
    people = [(100, 100, 50), (1240, 690, 46), (640, 360, 60)]
    for _ in range(3):
        assert middles(detector.detect(picture(*people, size=(720, 1280)))) == [(100, 100), (640, 360), (1240, 690)]


def test_tiles_are_searched_seldom_while_somebody_is_there(detector: FollowingDetector, networks: Networks) -> None:
    large, entering = (300, 300, 300), (1000, 600, 50)
    detector.detect(picture(large, size=(720, 1280)))
    searches = networks.full.calls
    counts = [len(detector.detect(picture(large, entering, size=(720, 1280)))) for _ in range(TILE_INTERVAL)]
    assert counts == [1] * (TILE_INTERVAL - 1) + [2]
    assert networks.full.calls == searches + 2 + len(tile_corners(720, 1280)), "one as it enters, one with the tiles"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_head_on_its_side_or_upside_down_is_followed_as_it_is(degrees: int) -> None:
    networks = Networks(math.radians(degrees))
    detector = networks.detector()
    for t in range(20):
        (face,) = detector.detect(picture((100 + t, 120, 80)))
        eyes = face[4] - face[0]  # mesh points 263 and 33
        assert is_up(math.atan2(eyes[1], eyes[0]), math.radians(degrees)), t


def test_other_ways_up_are_tried_only_while_nobody_is_there(detector: FollowingDetector, networks: Networks) -> None:
    detector.detect(picture())
    assert networks.calls == (0, 1, 4)
    for _ in range(SEARCH_INTERVAL):
        detector.detect(picture((100, 120, 80), (260, 220, 16)))
    assert networks.full.calls == 5


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (288, 360), (900, 2)])
def test_pictures_without_a_face(detector: FollowingDetector, size: tuple[int, int]) -> None:
    for _ in range(3):
        assert detector.detect(picture(size=size)) == []


def test_a_detection_without_a_face_is_none(networks: Networks) -> None:
    networks.mesh.is_blind = True
    assert networks.detector().detect(picture((100, 100, 80))) == []


def test_reset_forgets_the_shot(detector: FollowingDetector) -> None:
    people = picture((60, 60, 80), (220, 70, 60))
    for _ in range(3):
        assert len(detector.detect(people)) == 2
        detector.reset()
        assert middles(detector.detect(picture((150, 150, 100)))) == [(150, 150)]
        detector.reset()


def test_frames_that_are_views_are_read(detector: FollowingDetector) -> None:
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


def held(frame: np.ndarray) -> np.ndarray:
    """A frame as `Video` gives it out, again and again while its picture stays."""
    frame.flags.writeable = False
    return frame


def test_a_picture_that_stays_is_read_once(detector: FollowingDetector, networks: Networks) -> None:
    still = held(picture((100, 120, 80)))
    first = detector.detect(still)
    calls = networks.calls
    for _ in range(3 * SEARCH_INTERVAL):
        np.testing.assert_array_equal(detector.detect(still), first)
    assert networks.calls == calls
    assert middles(detector.detect(picture((102, 120, 80), (260, 220, 40)))) == [(102, 120), (260, 220)], "it is due"


def test_a_frame_that_is_drawn_over_is_read_again(detector: FollowingDetector) -> None:
    frame = picture((100, 120, 80))
    detector.detect(frame)
    frame[:] = picture((110, 125, 80))
    assert middles(detector.detect(frame)) == [(110, 125)]
