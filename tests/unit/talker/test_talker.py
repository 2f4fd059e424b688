"""Talkers: decided by their seed, filmed any way, found by the face tracker, and honest about homophenes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceDetector, choose_faces, load_face_detector, track_faces
from lipscribe.faces.landmarks import eye_distance, mouth_opening
from lipscribe.talker import Person, Scene, Talker, TalkingClip, together
from lipscribe.talker.lips import mouth_gaps
from lipscribe.talker.visemes import CONTROLS
from lipscribe.video import Video

SMALL = Scene(width=120, height=96)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_face_detector()


def opening(clip: TalkingClip) -> np.ndarray:
    return mouth_gaps(clip.performances[0].person, clip.performances[0].controls)


def test_a_seed_decides_everything():
    first, again = (Talker(seed=3).say("lay red by c four now", take=2) for _ in range(2))
    assert first.words == again.words
    assert np.array_equal(first.frames, again.frames)
    other_take = Talker(seed=3).say("lay red by c four now", take=3)
    assert other_take.performances[0].person == first.performances[0].person
    assert other_take.scene != first.scene
    assert Talker(seed=4).person != Talker(seed=3).person


def test_seeds_are_visibly_different_people():
    scene = Scene(width=180, height=144, noise=0, background="plain", head_motion=0, blinks=0)
    faces = [next(Talker(seed).say("a", scene=scene).stream()).astype(float) for seed in range(12)]
    apart = [np.abs(a - b).mean() for i, a in enumerate(faces) for b in faces[:i]]
    assert min(apart) > 2.5  # grey levels over the whole picture
    styles = {(p.hair_style, p.beard, p.glasses) for p in (Talker(seed).person for seed in range(30))}
    assert len(styles) > 15


def test_frames_are_pictures_at_the_rate_and_size_asked_for():
    clip = Talker(1).say("red", scene=replace(SMALL, fps=50))
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == (clip.num_frames, 96, 120, 3)
    assert clip.duration == pytest.approx(clip.phonemes[-1].end, abs=1 / 50)
    assert clip.text == "red"


def test_each_frame_that_is_saved_is_reported(tmp_path: Path):
    told = []
    clip = Talker(1).say("red", scene=SMALL)
    clip.save(tmp_path / "red.mp4", lambda *report: told.append(report))
    assert told == [("rendering frames", done, clip.num_frames) for done in range(clip.num_frames + 1)]


def test_a_clip_can_have_a_length():
    clip = Talker(1).say("place red at c seven please", duration=3.0, scene=SMALL)
    assert clip.num_frames == 75
    assert clip.words[0].start > 0.1
    assert clip.words[-1].end < 2.9
    with pytest.raises(ConfigError, match=r"do not fit into 0\.50 s"):
        Talker(1).say("place red at c seven please", duration=0.5)


@pytest.mark.parametrize("alike", [("pat", "bat", "mat"), ("tea", "dee"), ("fan", "van")])
def test_homophenes_are_the_same_film(alike: tuple[str, ...]):
    first, *others = (Talker(5).say(word, scene=SMALL).frames for word in alike)
    assert all(np.array_equal(first, other) for other in others)


def test_what_differs_on_the_lips_differs_on_the_picture():
    still = Scene(width=240, height=240, noise=0, head_motion=0, blinks=0)
    frames = {word: Talker(5).say(word, scene=still).frames for word in ("bat", "fat", "that", "sat")}
    for word in ("fat", "that", "sat"):
        shorter = min(len(frames[word]), len(frames["bat"]))
        assert np.abs(frames[word][:shorter].astype(int) - frames["bat"][:shorter]).max() > 60, word


def test_the_picture_can_be_fixed_in_part():
    clip = Talker(2).say("red", scene={"noise": 0, "width": 200})
    assert (clip.scene.noise, clip.scene.width) == (0, 200)
    drawn = Talker(2).say("red").scene
    assert clip.scene == replace(drawn, noise=0, width=200)


def test_saving_writes_a_video_that_reads_back(tmp_path: Path):
    clip = Talker(2).say("red", scene=replace(SMALL, crf=10))
    clip.save(tmp_path / "clip.mp4")
    frames = Video(tmp_path / "clip.mp4").read()
    assert frames.shape == clip.frames.shape
    assert np.abs(frames.astype(int) - clip.frames).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.slow
def test_the_tracker_finds_the_face_and_follows_the_mouth(detector: FaceDetector):
    """Over 50 seeds: `python benchmarks/talkers.py`."""
    correlations = []
    for seed in (1, 11, 23, 36, 40):
        clip = Talker(seed).say("place red at v seven please", take=seed)
        detector.reset()
        faces = [detector.detect(frame) for frame in clip.stream()]
        assert all(len(found) == 1 for found in faces)
        detected = np.array([mouth_opening(found[0]) for found in faces])
        correlations.append(np.corrcoef(detected, opening(clip))[0, 1])
        eyes = np.median([eye_distance(found[0]) for found in faces])
        assert eyes == pytest.approx(clip.scene.eyes_px, rel=0.12)
    assert np.median(correlations) >= 0.88
    assert min(correlations) >= 0.8


def test_portrait_tilted_and_large(detector: FaceDetector):
    clip = Talker(4).say("red", scene={"width": 360, "height": 640, "roll_deg": 20, "face": 0.25})
    (track,) = track_faces(clip.frames, clip.fps, detector)
    assert track.coverage > 0.98
    right, left = track.landmarks[5, 0], track.landmarks[5, 4]
    assert np.degrees(np.arctan2(*(left - right)[::-1])) == pytest.approx(20, abs=6)


def test_a_face_leaves_the_picture_and_returns(detector: FaceDetector):
    path = ((0, 0.5, 0.5), (1, 0.5, 0.5), (1.4, 1.6, 0.5), (2.6, 1.6, 0.5), (3, 0.5, 0.5), (4, 0.5, 0.5))
    clip = Talker(9).say("place red at c seven please", duration=4, scene={"path": path})
    (track,) = track_faces(clip.frames, clip.fps, detector)
    assert track.detected[:20].all()
    assert not track.detected[36:60].any()
    assert track.detected[-20:].all()
    assert len(track.runs()) == 2


def test_two_people_in_one_picture(detector: FaceDetector):
    scene = Scene(width=640, height=288, x=0.26)
    speaks = Talker(1).say("place red at c seven please", scene=scene)
    waits = Talker(2).say("ah", scene=replace(scene, x=0.74))
    both = together([speaks, waits])
    assert both.num_frames == max(speaks.num_frames, waits.num_frames)
    assert [word.text for word in both.words if word.text != "ah"] == ["place", "red", "at", "c", "seven", "please"]
    tracks = track_faces(both.frames, both.fps, detector)
    assert len(tracks) == 2
    (chosen,) = choose_faces(tracks, "moving")
    assert chosen.landmarks[:, :, 0].mean() < 320
    with pytest.raises(ConfigError, match="differ in size or rate"):
        together([speaks, Talker(2).say("ah", scene=SMALL)])
    with pytest.raises(ConfigError, match="no clip"):
        together([])


def test_a_person_can_be_described():
    person = replace(Talker(3).person, beard="full", glasses="round")
    assert isinstance(person, Person)
    bearded = Talker(3, person).say("red", scene=SMALL).frames
    assert np.abs(bearded.astype(int) - Talker(3).say("red", scene=SMALL).frames).max() > 30


def test_gaps_are_those_of_the_controls():
    controls = np.zeros((3, len(CONTROLS)), np.float32)
    controls[1, 0], controls[2, 0] = 0.5, -0.2
    shut, opened, pressed = mouth_gaps(Talker(1).person, controls)
    assert shut == pressed == 0
    assert opened > 0.2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 20}, "width is 20, wanted 48 to 4096"),
        ({"face": 0.02}, "too small to draw a mouth"),
        ({"background": "moon"}, "background is 'moon', wanted one of plain, gradient, room"),
        ({"path": ((1, 0, 0), (0, 1, 1))}, "path is no list"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"noise": "much"}, "noise is much"),
        ({"fps": 0, "crf": 90}, "fps is 0.*; crf is 90"),
        ({"hat": 1}, "a scene has no hat"),
    ],
)
def test_scenes_that_cannot_be(fields: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        Talker(1).say("red", scene=fields)


@pytest.mark.parametrize("seed", [-1, 1.5, "seven", None, True])
def test_seeds_that_are_none(seed: object):
    with pytest.raises(ConfigError, match=r"seed is .*: wanted a whole number of 0 or more"):
        Talker(seed)


@pytest.mark.parametrize("text", ["", "  ", "?!", "привет", "你好"])
def test_texts_that_cannot_be_said(text: str):
    with pytest.raises(ConfigError):
        Talker(1).say(text)


def test_no_words_at_all():
    with pytest.raises(ConfigError, match="no word to say"):
        Talker(1).say([])
