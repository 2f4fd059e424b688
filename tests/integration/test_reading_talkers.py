"""The bundled model of talkers reads synthetic people it was not trained on, in unusual videos of all kinds."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lipscribe
from lipscribe.cli.app import app
from lipscribe.data.corpora.grid import SLOTS
from lipscribe.errors import NoFaceError
from lipscribe.metrics import wer
from lipscribe.model import Model
from lipscribe.talker import Scene, Talker, together
from lipscribe.video import save_video

SENTENCE = "place red at c seven please"
FIRST_SEED = 900_000  # none of the people that the model learned from


@pytest.fixture(scope="module")
def model() -> Model:
    return lipscribe.load_model("talkers")


def words_right(text: str, said: str = SENTENCE) -> int:
    """Of six."""
    return sum(a == b for a, b in zip(text.split(), said.split(), strict=False))


@pytest.mark.slow
def test_unseen_people_and_sentences(model: Model):
    """The figure over many more: docs/results.md."""
    rng = random.Random(5)
    said = [" ".join(rng.choice(slot) for slot in SLOTS) for _ in range(10)]
    clips = [Talker(FIRST_SEED + i).say(text, duration=3.0) for i, text in enumerate(said)]
    read = [model.transcribe(clip.frames).text for clip in clips]
    assert wer(said, read) <= 0.15, list(zip(said, read, strict=True))


@pytest.mark.slow
def test_words_last_as_long_as_they_are_said(model: Model):
    """The model's own spikes of one frame would be off by 0.035 s on average."""
    clips = [Talker(FIRST_SEED + 40 + i).say(SENTENCE, duration=3.0) for i in range(4)]
    off = []
    for clip in clips:
        read = model.transcribe(clip.frames).words
        for said, found in zip(clip.words, read, strict=False):
            if said.text == found.text:
                off += [abs(said.start - found.start), abs(said.end - found.end)]
    assert len(off) >= 40
    assert sum(off) / len(off) < 0.025


@pytest.mark.slow
def test_threads_may_share_a_model(model: Model):
    clips = [Talker(FIRST_SEED + i).say(SENTENCE).frames for i in range(4)]
    alone = [model.transcribe(frames) for frames in clips]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(model.transcribe, clips)) == alone


@pytest.mark.slow
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_any_way_up(model: Model, quarters: int):
    frames = Talker(FIRST_SEED + 1).say(SENTENCE).frames
    transcript = model.transcribe(np.ascontiguousarray(np.rot90(frames, quarters, axes=(1, 2))))
    assert transcript.text == model.transcribe(frames).text
    (told,) = transcript.warnings
    assert ("upside down" if quarters == 2 else "on its side") in told


def test_the_default_model_reads_talkers_too():
    said = "lay white with y two now"
    read = lipscribe.load_model().transcribe(Talker(FIRST_SEED + 2).say(said, duration=3.0).frames).text
    assert words_right(read, said) >= 4, read


@pytest.mark.slow
@pytest.mark.parametrize("fps", [24, 30000 / 1001, 50, 60])
def test_any_rate(model: Model, fps: float, tmp_path: Path):
    Talker(FIRST_SEED).say(SENTENCE, scene={"fps": fps}).save(tmp_path / "clip.mp4")
    transcript = model.transcribe(tmp_path / "clip.mp4")
    assert words_right(transcript.text) >= 5, transcript.text
    assert bool(transcript.warnings) == (fps < 25)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scene", [{"width": 360, "height": 640, "face": 0.25}, {"width": 1280, "height": 720}, {"roll_deg": 15.0}]
)
def test_any_shape(model: Model, scene: dict, tmp_path: Path):
    Talker(FIRST_SEED).say(SENTENCE, scene=scene).save(tmp_path / "clip.mp4")
    assert words_right(model.transcribe(tmp_path / "clip.mp4").text) >= 5


@pytest.mark.slow
def test_two_people_are_told_apart(tmp_path: Path):
    scene = Scene(width=640, height=288, x=0.26)
    other = "lay white with z zero again"
    one, two = (
        Talker(FIRST_SEED).say(SENTENCE, scene=scene),
        Talker(FIRST_SEED + 1).say(other, scene=replace(scene, x=0.74)),
    )
    together([one, two]).save(tmp_path / "two.mp4")
    result = CliRunner().invoke(
        app,
        [
            "transcribe",
            str(tmp_path / "two.mp4"),
            "--model",
            "talkers",
            "--face",
            "all",
            "--format",
            "json",
            "--output",
            str(tmp_path),
        ],
    )
    assert result.exit_code == 0, result.output
    read = json.loads((tmp_path / "two.json").read_text())
    texts = {segment["speaker"]: segment["text"] for segment in read["segments"]}
    assert len(texts) == 2
    scores = [[words_right(text, said) for said in (SENTENCE, other)] for text in texts.values()]
    assert sorted(np.argmax(scores, 1)) == [0, 1]
    assert np.max(scores, 1).min() >= 4, texts


@pytest.mark.slow
def test_a_still_face_beside_a_talking_one_is_not_read(model: Model):
    scene = Scene(width=640, height=288, x=0.26)
    talks, waits = (
        Talker(FIRST_SEED).say(SENTENCE, scene=scene),
        Talker(FIRST_SEED + 1).say("m", scene=replace(scene, x=0.74)),
    )
    transcript = model.transcribe(together([waits, talks]).frames)
    assert words_right(transcript.text) >= 5
    assert any("1 other face" in warning for warning in transcript.warnings)


def test_a_face_that_leaves_loses_words_and_says_so(model: Model):
    path = ((0, 0.5, 0.5), (1.1, 0.5, 0.5), (1.3, 1.7, 0.5), (3, 1.7, 0.5))
    transcript = model.transcribe(Talker(FIRST_SEED).say(SENTENCE, duration=3.0, scene={"path": path}).frames)
    assert transcript.face_coverage < 0.7
    assert any("the face was found in" in warning for warning in transcript.warnings)


def test_an_empty_room_has_no_face(model: Model, tmp_path: Path):
    gone = Talker(FIRST_SEED).say(SENTENCE, scene={"x": 3.0})
    save_video(tmp_path / "room.mp4", gone.stream(), gone.fps)
    with pytest.raises(NoFaceError, match="no face was found"):
        model.transcribe(tmp_path / "room.mp4")
