"""Every config of the tree makes a model that reads."""

from pathlib import Path

import pytest
import torch

from lipscribe.data.corpora.grid import SLOTS
from lipscribe.models.builders import build_reader
from lipscribe.tokenizer import tokenizer_from_dict
from lipscribe.training.config import load_config
from lipscribe.training.distilling import load_teacher
from lipscribe.transforms import Augment

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))

LIPNET_CONVOLUTIONS = ((3, 32, 3 * 5 * 5), (32, 64, 3 * 5 * 5), (64, 96, 3 * 3 * 3))  # channels in, out, kernel


def test_there_are_configs():
    assert "grid-s1.yaml" in {path.name for path in CONFIGS}


@torch.inference_mode()
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_makes_a_model_that_reads(path: Path):
    config = load_config(path)
    size = config.model.input
    reader = build_reader(config.trained_model).eval()
    log_probs = reader(torch.randn(2, 6, 1, size.height, size.width), torch.tensor([6, 3]))
    assert log_probs.shape == (2, 6, len(tokenizer_from_dict(config.model.tokenizer).vocab))
    Augment(config.augment, size.height, size.width)
    assert path.stem.startswith(config.model.name)


def test_the_bundled_models_config_knows_exactly_the_words_of_grid():
    model = load_config(CONFIGS[0].parent / "grid-s1.yaml").model
    assert model.grammar == SLOTS
    assert set(model.tokenizer["words"]) == {word for slot in SLOTS for word in slot}


def test_the_student_is_small_and_fits_its_teacher():
    config = load_config(CONFIGS[0].parent / "student.yaml")
    teacher = load_teacher(config.teacher, config.trained_model, config.optim.distil_weight)
    sizes = [sum(map(torch.numel, reader.parameters())) for reader in (build_reader(config.trained_model), teacher)]
    assert 3 * sizes[0] < sizes[1] < 15e6


def test_lipnet_has_as_many_weights_as_the_published_network():
    reader = build_reader(load_config(CONFIGS[0].parent / "lipnet.yaml").model)
    convolutions = sum(size_in * size_out * kernel + size_out for size_in, size_out, kernel in LIPNET_CONVOLUTIONS)
    # Two bidirectional GRUs of 256: three gates, each with weights for what comes in and goes round, and two biases.
    recurrent = sum(2 * 3 * 256 * (size_in + 256 + 2) for size_in in (96 * 3 * 6, 512))
    published = convolutions + recurrent + (512 + 1) * 28  # 26 letters, space, blank
    assert published == 4_574_460
    colours = 2 * 32 * 3 * 5 * 5  # the published input is in colour, ours grey
    assert sum(weights.numel() for weights in reader.parameters()) == published - colours
