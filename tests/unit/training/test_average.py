"""The moving average of the weights, and what of it takes memory."""

import pytest
import torch

from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.training.average import MovingAverage


@pytest.fixture
def reader(toy_spec: ModelSpec) -> LipReader:
    return build_reader(toy_spec)


def shift(reader: LipReader, amount: float) -> None:
    with torch.no_grad():
        for tensor in [*reader.parameters(), *reader.buffers()]:
            tensor += int(amount)


def places(reader: LipReader, part: str) -> set[int]:
    return {tensor.data_ptr() for tensor in getattr(reader, part).state_dict().values()}


def test_the_first_step_is_the_average_and_each_later_one_has_its_share(reader: LipReader):
    average = MovingAverage(reader, 0.75)
    weight, steps = reader.ctc.project.weight.detach().clone(), reader.frontend.state_dict()
    (count,) = {name for name in steps if name.endswith("1.num_batches_tracked")}
    for amount in (1, 4):
        shift(reader, amount)
        average.update(reader)
    torch.testing.assert_close(average.module.ctc.project.weight, weight + 1 + 4 * 0.25)
    assert average.module.frontend.state_dict()[count] == reader.frontend.state_dict()[count] == 5  # no mean of counts


def test_frozen_parts_are_there_once(reader: LipReader):
    average = MovingAverage(reader, 0.9, ["frontend"])
    assert places(average.module, "frontend") == places(reader, "frontend")
    assert not places(average.module, "encoder") & places(reader, "encoder")
    before = {name: tensor.clone() for name, tensor in reader.frontend.state_dict().items()}
    for _ in range(2):
        average.update(reader)
    assert all(torch.equal(tensor, before[name]) for name, tensor in average.module.frontend.state_dict().items())


def test_without_averaging_there_is_no_copy(reader: LipReader):
    average = MovingAverage(reader, 0)
    average.update(reader)
    assert average.module is reader
