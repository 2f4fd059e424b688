"""What is read of material that the bundled model cannot know, or can hardly see, is marked; what it knows is not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import lipscribe
from lipscribe.faces import choose_faces, load_face_detector, track_faces
from lipscribe.inspection import inspect_video
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.search import Grammar, SearchOptions
from lipscribe.search.familiarity import FAMILIAR
from lipscribe.talker import Talker
from lipscribe.video import Video, save_video

MARK = "not look like what the model knows"
KNOWN, OTHER = "place red at l seven please", "The museum is closed on Mondays and holidays"


@pytest.fixture(scope="module")
def model() -> Model:
    return lipscribe.load_model("grid")


def crops_of(frames: np.ndarray) -> np.ndarray:
    (run,) = choose_faces(track_faces(frames, 25.0, load_face_detector()))[0].runs()
    return crop_mouth(frames, run)


@pytest.mark.slow
def test_a_known_sentence_is_not_marked_and_another_is(model: Model):
    talker = Talker(seed=7)
    known, other = (model.transcribe(crops_of(talker.say(text).frames)) for text in (KNOWN, OTHER))
    assert (known.text, known.warnings) == (KNOWN, ())
    assert known.familiarity > 0.8
    assert other.text
    assert MARK in other.warnings[0]
    assert other.familiarity < 0.2
    assert all(segment.familiarity < FAMILIAR for segment in other.segments)


def test_phrases_that_are_not_what_is_said_are_marked(model: Model):
    crops = crops_of(Talker(seed=7).say(KNOWN).frames)
    wrong = Grammar([["set"], ["white"], ["with"], ["b"], ["one"], ["again"]])
    found = model.transcribe(crops, options=SearchOptions("grammar", grammar=wrong))
    assert set(found.text.split()) <= {"set", "white", "with", "b", "one", "again"}
    assert not found.text or MARK in found.warnings[0]


@pytest.mark.parametrize("seconds", [3, 10])
def test_a_mouth_at_rest_is_read_as_nothing_or_marked(model: Model, grid_root: Path, seconds: int):
    for name in ("bbal7s", "bbbf6n"):
        video = Video(grid_root / "video" / "s1" / f"{name}.mpg").read()
        rest = crops_of(video)[:9]  # before the first word, forth and back
        crops = np.concatenate([rest, rest[::-1]] * (25 * seconds // 18 + 1))[: 25 * seconds]
        found = model.transcribe(crops)
        assert not found.text or MARK in found.warnings[0]


def test_transcribe_warns_where_inspect_does(model: Model, tmp_path: Path):
    frames = Talker(seed=7).say(KNOWN).frames
    small = [cv2.resize(frame, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA) for frame in frames]
    save_video(tmp_path / "small.mp4", [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in small], 25.0)
    inspection = inspect_video(tmp_path / "small.mp4")
    transcript = model.transcribe(tmp_path / "small.mp4")
    said = {finding.text for finding in inspection.findings if finding.measure in ("mouth_px", "sharpness")}
    assert len(said) == 2
    # Every tenth crop is measured, so the numbers may differ a little; sizes are of all frames.
    warned = {text.removesuffix(" (lipscribe inspect)") for text in transcript.warnings}
    assert {text for text in said if "px wide" in text} <= warned
    assert any(text.startswith("mouth blurred, sharpness 0.") for text in warned)
