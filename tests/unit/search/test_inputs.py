import numpy as np
import pytest
import torch

from lipscribe.errors import LipscribeError
from lipscribe.search.inputs import check_inputs

FLAT = np.full((2, 3, 4), np.log(0.25))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors_become_numpy(dtype):
    tensor = torch.from_numpy(FLAT).to(dtype).requires_grad_()
    log_probs, lengths = check_inputs(tensor, torch.tensor([3, 1], dtype=torch.int32))
    assert (log_probs.dtype, lengths.dtype) == (np.float64, np.int64)
    np.testing.assert_allclose(log_probs, FLAT, rtol=1e-2)
    assert lengths.tolist() == [3, 1]


def test_the_callers_array_is_not_touched_and_lengths_default_to_all_frames():
    before = FLAT.copy()
    log_probs, lengths = check_inputs(FLAT)
    log_probs[:] = 0
    np.testing.assert_array_equal(FLAT, before)
    assert lengths.tolist() == [3, 3]


def test_padding_may_hold_anything():
    log_probs = FLAT.copy()
    log_probs[1, 1:] = np.nan
    check_inputs(log_probs, [3, 1])


@pytest.mark.parametrize(
    ("log_probs", "lengths", "message"),
    [
        (FLAT[0], None, r"shape \(3, 4\): want \(clips, frames, vocabulary\)"),
        (FLAT[..., :1], None, r"shape \(2, 3, 1\): want .*, the vocabulary at least 2"),
        (FLAT, [3], r"lengths has shape \(1,\): want one length for each of 2 clips"),
        (FLAT, [3, 4], r"lengths are \[3, 4\]: want 0 to 3"),
        (FLAT, [-1, 3], r"lengths are \[-1, 3\]: want 0 to 3"),
        (FLAT + 2, None, "clip 0 goes up to 0.614: want at most 0, so apply log_softmax first"),
    ],
)
def test_wrong_arrays(log_probs, lengths, message):
    with pytest.raises(LipscribeError, match=message):
        check_inputs(log_probs, lengths)


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_numbers_that_are_none(spoil):
    log_probs = FLAT.copy()
    log_probs[1, 2, 3] = spoil
    with pytest.raises(LipscribeError, match=r"clip 1 has 1 frames with NaN, .* \(first: frame 2\)"):
        check_inputs(log_probs)


def test_minus_infinity_is_a_probability_but_not_for_every_token():
    log_probs = FLAT.copy()
    log_probs[0, 1, :3] = -np.inf
    check_inputs(log_probs)
    log_probs[0, 1] = -np.inf
    with pytest.raises(LipscribeError, match=r"clip 0 has 1 frames .* no possible token"):
        check_inputs(log_probs)
