"""What is said of faces that are upside down or on their side."""

import numpy as np
import pytest

from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import roll_deg
from lipscribe.faces.orientation import orientation_warnings


def track(make_face, *degrees: float) -> FaceTrack:
    return FaceTrack(0, 0, 0, np.stack([make_face(160, 120, roll=np.radians(angle)) for angle in degrees]), 25.0)


@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 45, 100, 179])
def test_roll_of_a_planted_face(make_face, degrees: float):
    face = make_face(160, 120, roll=np.radians(degrees))
    assert roll_deg(face) == pytest.approx(degrees, abs=0.1)
    assert roll_deg(np.stack([face, face])).shape == (2,)


@pytest.mark.parametrize(
    ("degrees", "how"),
    [
        ((0, 0, 0), None),
        ((50, -50, 40), None),
        ((90, 91, 0), "on its side in the picture (90 degrees)"),
        ((-90, -80, -85), "on its side in the picture (85 degrees)"),
        ((179, -179, 178), "upside down in the picture (179 degrees)"),
        ((180, 0, 0, 0), None),
    ],
)
def test_most_frames_decide(make_face, degrees, how):
    told = orientation_warnings([track(make_face, *degrees)])
    assert told == ([f"the face is {how}: it was read the right way up"] if how else [])


def test_frames_without_the_face_do_not_count(make_face):
    found = track(make_face, 180, 180, 180)
    found.landmarks[1] = np.nan
    assert len(orientation_warnings([found])) == 1


def test_each_face_is_told_by_itself(make_face):
    up, down, side = (track(make_face, angle, angle, angle) for angle in (0, 180, 90))
    assert orientation_warnings([up, up, down]) == [
        "a face is upside down in the picture (180 degrees): it was read the right way up"
    ]
    assert [line.split(" in ")[0] for line in orientation_warnings([up, down, side, down])] == [
        "a face is on its side",
        "a face is upside down",
    ]


def test_nobody_has_no_orientation():
    assert orientation_warnings([]) == []
