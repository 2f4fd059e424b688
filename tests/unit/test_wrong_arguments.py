"""What a caller hands over that is not what is wanted: each is named in one line."""

import numpy as np
import pytest
import torch

import lipscribe
from lipscribe.errors import ConfigError
from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import NUM_LANDMARKS
from lipscribe.model import Model
from lipscribe.models.builders import build_reader
from lipscribe.models.encoder_specs import NoEncoderSpec
from lipscribe.models.frontend_specs import ConvFrontendSpec
from lipscribe.models.spec import ModelSpec
from lipscribe.search import SearchOptions
from lipscribe.tokenizer import WordTokenizer


@pytest.fixture(scope="module")
def model() -> Model:
    frontend = ConvFrontendSpec(channels=(2, 2), stem_frames=3, features=4)
    spec = ModelSpec(name="tiny", tokenizer=WordTokenizer(["a", "b"]), frontend=frontend, encoder=NoEncoderSpec())
    return Model(spec, build_reader(spec))


def crops(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, 96, 96), np.uint8)


def test_crops_may_be_a_tensor_and_a_single_picture_is_no_crops(model):
    assert model.transcribe(torch.from_numpy(crops(30))).text == model.transcribe(crops(30)).text
    assert len(model.encode(torch.from_numpy(crops(30)))) == 30
    with pytest.raises(ConfigError, match=r"one picture.*frames\[None\]"):
        model.transcribe(np.zeros((288, 360, 3), np.uint8))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fps": "x"}, "fps is 'x'"),
        ({"fps": True}, "fps is True"),
        ({"fps": 1e9}, "up to 1000"),
        ({"options": {"beam_size": 3}}, "want SearchOptions"),
        ({"options": ""}, "want SearchOptions"),
        ({"progress": True}, "progress is True"),
        ({"on_segment": 3}, "on_segment is 3"),
    ],
)
def test_wrong_arguments_are_named(model, given: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        model.transcribe(crops(30), **given)


@pytest.mark.parametrize("wrong", ["clip.mp4", None, np.zeros((5, 288, 360, 3), np.uint8), np.zeros((5, 96, 96))])
def test_only_crops_are_encoded(model, wrong):
    for encode in (model.encode, model.log_probs):
        with pytest.raises(ConfigError, match="wanted \\(T, 96, 96\\) uint8"):
            encode(wrong)


def test_what_is_no_output_of_a_network_is_not_searched(model):
    with pytest.raises(ConfigError, match="encoded is a NoneType"):
        model.search(None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam_size": 10**9},
        {"nbest": 10**6},
        {"lm_weight": "a"},
        {"lm_weight": float("nan")},
        {"word_bonus": None},
        {"length_bonus": "a"},
        {"ctc_weight": True},
        {"exact": 1},
        {"lm": "words.arpa"},
        {"token_lm": "my-lm"},
        {"grammar": "grid"},
    ],
)
def test_wrong_search_options_are_named(model, wrong: dict):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"{name} is "):
        model.search(np.zeros((5, 3), np.float32), SearchOptions(**wrong))


def test_a_source_or_model_of_another_type_is_named():
    with pytest.raises(ConfigError, match="path is a NoneType"):
        lipscribe.Video(None)
    with pytest.raises(ConfigError, match="start is 'a'"):
        lipscribe.Video("clip.mp4", start="a")
    with pytest.raises(lipscribe.LipscribeError, match="not a int"):
        lipscribe.load_model(5)


def test_frames_and_track_have_to_belong_together():
    points = np.random.default_rng(0).uniform(80, 120, (NUM_LANDMARKS, 2)).astype(np.float32)
    run = FaceTrack(0, 0, 5, np.tile(points, (20, 1, 1)), 25.0)
    frames = np.zeros((25, 200, 200, 3), np.uint8)
    assert len(lipscribe.crop_mouth(frames, run)) == 20
    with pytest.raises(ConfigError, match=r"end at frame 24, but the track at frame 25"):
        lipscribe.crop_mouth(frames[:24], run)
    with pytest.raises(ConfigError, match="track is a list"):
        lipscribe.crop_mouth(frames, [run])
    with pytest.raises(ConfigError, match="kind is 'lips'"):
        lipscribe.crop_mouth(frames, run, "lips")
