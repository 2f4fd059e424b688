"""Cuts in mid-speech give a warning, pauses and joined shots do not."""

from collections.abc import Callable

import numpy as np
import pytest

from lipscribe.faces import FaceTrack, choose_faces
from lipscribe.faces.cuts import cut_warnings

Shot = Callable[..., FaceTrack]


@pytest.fixture
def shot(make_face: Callable[..., np.ndarray]) -> Shot:
    """`shot(idx, person, spoken)`: the idx-th of shots of 50 frames; three syllables a second in `spoken`."""

    def make(idx: int, person: int, spoken: slice, first: int = 0, last: int = 50) -> FaceTrack:
        opening = 0.12 * (1 - np.cos(2 * np.pi * 3 * np.arange(50) / 25))
        moves = np.zeros(50, bool)
        moves[spoken] = True
        landmarks = np.stack([make_face(100, 100, 24.0, gap) for gap in opening * moves])
        return FaceTrack(person, idx, 50 * idx + first, landmarks[first:last], 25.0, 50, 50 * idx)

    return make


NEVER, ALWAYS = slice(0, 0), slice(0, 50)


def test_a_cut_away_in_mid_speech(shot: Shot):
    (warning,) = cut_warnings([shot(0, 0, ALWAYS), shot(1, 1, NEVER)], 100)
    assert warning == "the speaker is cut off in mid-speech at 2.00 s: words around it may be wrong or missing"
    (later,) = cut_warnings([shot(0, 0, ALWAYS)], 100, first_frame=250)
    assert later == warning.replace("2.00", "12.00"), "of a range of the file"
    assert cut_warnings([shot(0, 0, ALWAYS)], 100) == [warning], "to a picture without a face"
    assert cut_warnings([shot(1, 0, ALWAYS)], 100) == [warning], "from a picture without a face"


def test_away_and_back_are_two_cuts_in_one_line(shot: Shot):
    tracks = [shot(0, 0, ALWAYS), shot(1, 1, NEVER), shot(2, 0, ALWAYS)]
    (warning,) = cut_warnings(tracks, 150)
    assert warning.startswith("the speaker is cut off in mid-speech 2 times, first at 2.00 s: ")
    (warning,) = cut_warnings([tracks[0], shot(1, 1, ALWAYS)], 100)
    assert "at 2.00 s" in warning, "one cut between two who speak is one"


def test_who_goes_on_in_the_next_shot_is_not_cut_off(shot: Shot):
    tracks = [shot(0, 0, ALWAYS), shot(1, 0, ALWAYS)]
    assert cut_warnings(choose_faces(tracks), 100) == []


@pytest.mark.parametrize(
    ("spoken", "first", "last"),
    [
        (slice(10, 40), 0, 50),  # silent at both cuts
        (ALWAYS, 10, 40),  # comes and goes in the shot itself
        (NEVER, 0, 50),
        (ALWAYS, 0, 2),  # there for a moment only
    ],
)
def test_whoever_is_silent_or_away_at_the_cut_is_not_cut_off(shot: Shot, spoken: slice, first: int, last: int):
    assert cut_warnings([shot(1, 0, spoken, first, last)], 150) == []


def test_the_ends_of_the_video_are_no_cuts(shot: Shot):
    assert cut_warnings([shot(0, 0, ALWAYS)], 50) == []


def test_tracks_of_unknown_shots_tell_nothing(shot: Shot):
    track = shot(1, 0, ALWAYS)
    track.shot_start = None
    assert cut_warnings([track], 150) == []
    assert cut_warnings([], 0) == []


def test_a_person_who_pauses_at_the_cut_is_read_shot_by_shot(shot: Shot):
    tracks = [shot(0, 0, slice(0, 30)), shot(1, 0, slice(20, 50))]
    assert choose_faces(tracks) == tracks
    assert len(choose_faces(tracks, across_pauses=True)) == 1
    assert len(choose_faces([shot(0, 0, ALWAYS), shot(1, 0, ALWAYS)])) == 1
