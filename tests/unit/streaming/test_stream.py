"""Frames of a camera as words: a face whose picture has the grey of what it says."""

from collections.abc import Sequence

import numpy as np
import pytest
from planted_model import PlantedModel, ScriptedDetector, crop_of, crops_of, plant

from lipscribe.errors import ConfigError
from lipscribe.faces import landmarks as lm
from lipscribe.model import Model
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.mouth import REFERENCE_FACE, STABLE_POINTS
from lipscribe.streaming import Stream, StreamUpdate, read_stream
from lipscribe.tokenizer import WordTokenizer

SAID = ". 12 red 6 . 2 two 7 now 6 . 25 green 8 one 6 . 2 one 6 . 30"
TEXTS = ["red two now", "green one one"]


def face(place: tuple[float, float] = (150, 100)) -> np.ndarray:
    points = np.zeros((lm.NUM_LANDMARKS, 2))
    points[STABLE_POINTS] = REFERENCE_FACE
    points[lm.LIPS_OUTER] = [0, 72]
    return (points + place).astype(np.float32)


FACE, OTHER = face(), face((700, 100))


def frame_of(token: int) -> np.ndarray:
    return np.full((240, 320, 3), crop_of(token)[0, 0], np.uint8)


def frames_at(said: str, rate: float, start: float = 3.0) -> list[tuple[float, np.ndarray]]:
    """What a camera of that rate sees of it."""
    tokens = plant(said)
    times = np.arange(0, len(tokens) / 25, 1 / rate)
    return [(start + time, frame_of(tokens[int(time * 25 + 1e-6)])) for time in times.tolist()]


def run(
    frames: Sequence[tuple[float, np.ndarray]], faces: Sequence[list[np.ndarray]] | None = None
) -> tuple[Stream, list[StreamUpdate]]:
    """The stream, not finished, and its updates; frames that stay are not searched for a face again."""
    stream = Stream(PlantedModel(), detector=ScriptedDetector(*(faces or [[FACE]] * len(frames))))
    return stream, [update for time, frame in frames for update in stream.add(frame, time)]


def texts(updates: Sequence[StreamUpdate]) -> list[str]:
    return [update.segment.text for update in updates if update.segment]


@pytest.mark.parametrize("rate", [25, 30, 29.97, 60, 15, 12.5])
def test_words_are_the_same_at_any_rate_and_their_times_are_capture_times(rate: float):
    _, updates = run(frames_at(SAID, rate))
    assert texts(updates) == TEXTS
    words = [word for update in updates if update.segment for word in update.segment.words]
    starts = [3 + frame / 25 for frame in (12, 20, 27, 58, 66, 74)]
    np.testing.assert_allclose([word.start for word in words], starts, atol=1 / min(rate, 25) + 1e-6)


def test_ready_crops_give_the_same_words_at_the_same_times():
    stream = Stream(PlantedModel())
    by_crop = [update for n, crop in enumerate(crops_of(SAID)) for update in stream.add_crop(crop, 3 + n / 25)]
    assert by_crop == run(frames_at(SAID, 25))[1]
    assert stream.framing is None


def test_pairs_of_time_and_frame_give_the_same_updates_and_the_end_is_read():
    pairs = [(time, crop_of(0)[..., None].repeat(3, -1)) for time, _ in frames_at(". 20", 25)]
    assert list(read_stream(PlantedModel(), pairs)) == []
    said = frames_at(". 12 red 6 two 6", 25)
    stream, updates = run(said)
    assert texts(updates) == []
    assert texts(stream.finish()) == ["red two"]
    assert stream.finish() == []


def test_a_face_that_is_lost_for_a_moment_is_held():
    frames = frames_at(SAID, 25)
    faces = [[] if 22 <= n < 25 else [FACE] for n in range(len(frames))]
    assert texts(run(frames, faces)[1]) == TEXTS


def test_a_face_that_leaves_ends_the_utterance():
    frames = frames_at(". 12 red 6 two 6 . 2 now 6 . 10", 25)
    faces = [[FACE] if n < 24 else [] for n in range(len(frames))]
    stream, updates = run(frames, faces)
    assert texts(updates) == ["red two"]
    assert stream.framing is not None
    assert stream.framing.box is None


def test_another_person_begins_another_utterance():
    """The first one is gone for longer than a moment while the other one sits there already."""
    frames = frames_at(". 12 red 6 two 6 . 12 green 6 one 6 . 2 now 6 . 25", 25)
    faces = [[FACE] if n < 25 else [OTHER] for n in range(len(frames))]
    assert texts(run(frames, faces)[1]) == ["red two", "green one now"]


def test_a_gap_between_frames_ends_the_utterance():
    first, second = frames_at(". 12 red 6 two 6", 25), frames_at("green 6 one 6 . 2 now 6 . 25", 25, start=60)
    _, updates = run([*first, *second])
    assert texts(updates) == ["red two", "green one now"]
    assert updates[-1].segment.start == pytest.approx(60)
    stream = Stream(PlantedModel())
    crops = [*crops_of(". 12 red 6 two 6"), *crops_of("green 6 one 6 . 2 now 6 . 25")]
    times = [3 + n / 25 if n < 24 else 60 + (n - 24) / 25 for n in range(len(crops))]
    updates = [update for crop, time in zip(crops, times, strict=True) for update in stream.add_crop(crop, time)]
    assert texts(updates) == ["red two", "green one now"]


def test_a_flush_ends_the_utterance_and_the_stream_goes_on():
    frames = frames_at(". 12 red 6 . 2 two 6 green 6 one 6 . 2 now 6 . 25", 25)
    stream = Stream(PlantedModel(), detector=ScriptedDetector(*[[FACE]] * len(frames)))
    updates = [update for time, frame in frames[:26] for update in stream.add(frame, time)]
    updates += stream.flush()
    updates += [update for time, frame in frames[26:] for update in stream.add(frame, time)]
    assert texts(updates) == ["red two", "green one now"]


def test_framing_is_that_of_the_newest_frames():
    stream, _ = run(frames_at(". 40", 10))
    assert stream.framing is not None
    assert stream.framing.box == pytest.approx((*FACE.min(0).tolist(), *(FACE.max(0) - FACE.min(0)).tolist()), abs=1e-3)
    assert any("10 pictures a second" in hint for hint in stream.framing.hints)


def test_a_model_of_other_crops_is_refused():
    spec = ModelSpec("other", WordTokenizer(["a"]), InputSpec(88, 88, crop="auto-avsr"))
    with pytest.raises(ConfigError, match="live reading wants a model of lipscribe crops"):
        Stream(Model(spec, PlantedModel().runtime))


def test_a_wrong_frame_is_refused_and_the_stream_goes_on():
    frames = frames_at(SAID, 25)
    stream = Stream(PlantedModel(), detector=ScriptedDetector(*[[FACE]] * len(frames)))
    updates = []
    for n, (time, frame) in enumerate(frames):
        if n == 20:
            with pytest.raises(ConfigError, match="wanted one picture"):
                stream.add(frame[..., 0], time)
            with pytest.raises(ConfigError, match="increase"):
                stream.add(frame, time - 1)
        updates += stream.add(frame, time)
    assert texts(updates) == TEXTS


def test_a_face_that_looks_away_says_nothing_and_is_told_so():
    away = FACE.copy()
    away[lm.NOSE_TIP, 0] += 30  # half the distance of the eyes
    frames = frames_at(SAID, 25)
    stream, updates = run(frames, [[away]] * len(frames))
    assert updates == []
    assert stream.finish() == []
    assert any("Face the camera" in hint for hint in stream.framing.hints)
    back = [[away]] * 20 + [[FACE]] * (len(frames) - 20)
    _, updates = run(frames, back)
    assert texts(updates)[-1] == "green one one"
