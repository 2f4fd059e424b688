"""What each encoder sees, alone and in company, and the conformer's attention against its formula written out."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from lipscribe.models.conformer import Clips, ConformerEncoder, RelativeSelfAttention, by_key, distance_encoding
from lipscribe.models.encoder import NoEncoder, RecurrentEncoder, packed_rows
from lipscribe.models.rel_transformer import RelTransformerEncoder
from lipscribe.models.tcn import TCNEncoder

LENGTHS = torch.tensor([9, 1, 5])
ENCODERS = {
    "lstm": lambda: RecurrentEncoder("lstm", features=6, hidden=4, layers=2, bidirectional=True, dropout=0.2),
    "gru": lambda: RecurrentEncoder("gru", features=6, hidden=4, layers=1, bidirectional=False, dropout=0.2),
    "tcn": lambda: TCNEncoder(features=6, hidden=5, layers=2, kernel=3, dropout=0.2),
    "conformer": lambda: ConformerEncoder(features=6, hidden=8, ff=32, layers=2, heads=2, kernel=3, dropout=0.2),
    "rel-conformer": lambda: ConformerEncoder(6, 8, ff=12, layers=2, heads=2, kernel=3, dropout=0.2, espnet=True),
    "rel-transformer": lambda: RelTransformerEncoder(6, 8, ff=12, layers=2, heads=2, dropout=0.2, batch_norm=True),
    "legacy": lambda: ConformerEncoder(6, hidden=8, ff=12, layers=2, heads=2, kernel=3, espnet=True, legacy=True),
    "none": lambda: NoEncoder(features=6, dropout=0.2),
}


@torch.inference_mode()
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("filler", [0.0, 1000.0])
def test_padding_and_company_change_nothing(name: str, filler: float):
    torch.manual_seed(0)
    encoder = ENCODERS[name]().eval()
    features = torch.randn(3, 9, 6)
    batch = encoder(features, LENGTHS)
    assert batch.shape == (3, 9, encoder.out_features)
    for row, length in enumerate(LENGTHS):
        assert not batch[row, length:].any()
        features[row, length:] = filler
        alone = encoder(features[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(batch[row, :length], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder(features, LENGTHS), batch, atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_recurrent_encoder_is_torchs_own_network(name: str):
    torch.manual_seed(0)
    encoder, features = ENCODERS[name]().eval(), torch.randn(2, 9, 6)
    torch.testing.assert_close(encoder(features, torch.tensor([9, 9])), encoder.rnn(features)[0], atol=1e-6, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_all_layers_in_one_call_as_a_gpu_does_it_are_each_direction_by_itself(name: str):
    torch.manual_seed(0)
    encoder, features = ENCODERS[name]().eval(), torch.randn(3, 9, 6)
    at_once, one_by_one = (read(features, LENGTHS) for read in (encoder._read_packed, encoder._read_by_direction))
    torch.testing.assert_close(at_once, one_by_one, atol=1e-6, rtol=0)


def test_a_gradient_through_an_encoder_at_rest_is_announced_to_torch(monkeypatch: pytest.MonkeyPatch):
    told, lstm = [], torch.lstm
    monkeypatch.setattr(
        torch, "lstm", lambda *args: told.append(args[7 if torch.is_tensor(args[1]) else 6]) or lstm(*args)
    )
    encoder, features = ENCODERS["lstm"]().eval(), torch.randn(3, 9, 6)
    for read in (encoder._read_packed, encoder._read_by_direction):
        read(features, LENGTHS)
    with torch.no_grad():
        encoder(features, LENGTHS)
    assert told == [True] * 5 + [False] * 4  # cuDNN has no gradient after a pass that was not of training


@torch.inference_mode()
@pytest.mark.parametrize(
    ("encoder", "reach"),
    [
        (TCNEncoder(features=6, hidden=5, layers=2, kernel=3, dropout=0.0), 6),  # 1 + 1 and 2 + 2 frames either way
        (NoEncoder(features=6, dropout=0.0), 0),
        (ConformerEncoder(features=6, hidden=8, ff=32, layers=1, heads=2, kernel=3, dropout=0.0), 10),
    ],
)
def test_how_far_an_encoder_sees(encoder: nn.Module, reach: int):
    features, lengths = torch.randn(1, 21, 6), torch.tensor([21])
    plain = encoder(features, lengths)[0, 10]
    seen = []
    for frame_idx in range(21):
        changed = features.clone()
        changed[0, frame_idx] += 3
        seen.append(not torch.allclose(encoder(changed, lengths)[0, 10], plain, atol=1e-7))
    assert seen == [abs(frame_idx - 10) <= reach for frame_idx in range(21)]


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_scores_by_distance_find_their_places(num_frames: int):
    scores = torch.randn(2, 3, num_frames, 2 * num_frames - 1)
    placed = by_key(scores)
    for i in range(num_frames):
        for j in range(num_frames):
            column = num_frames - 1 - (i - j)  # the columns hold the distances T - 1 down to 1 - T
            assert torch.equal(placed[..., i, j], scores[..., i, column])


@torch.inference_mode()
def test_attention_is_its_formula_written_out():
    torch.manual_seed(0)
    attention = RelativeSelfAttention(8, heads=2, dropout=0.0)
    attention.content_bias.normal_()
    attention.distance_bias.normal_()
    x, num_frames = torch.randn(1, 5, 8), 4  # the fifth frame is padding
    padding = torch.tensor([[False] * 4 + [True]])
    out = attention(x, Clips(padding[:, :, None], None, distance_encoding(5, 8)))[0]
    query, key, value = (net(x[0]).view(5, 2, 4) for net in (attention.query, attention.key, attention.value))
    for i in range(num_frames):
        heads = []
        for h in range(2):
            scores = torch.empty(num_frames)
            for j in range(num_frames):
                angle = (i - j) * torch.tensor([1.0, 0.1, 0.01, 0.001])  # 10000 ** (-2n / 8)
                wave = torch.stack([angle.sin(), angle.cos()], 1).flatten()
                distance = attention.position(wave).view(2, 4)[h]
                by_content = (query[i, h] + attention.content_bias[h, 0]) @ key[j, h]
                scores[j] = by_content + (query[i, h] + attention.distance_bias[h, 0]) @ distance
            heads.append((scores / 2).softmax(0) @ value[:num_frames, h])
        torch.testing.assert_close(out[i], attention.out(torch.cat(heads)), atol=1e-5, rtol=0)


def test_packed_rows_are_those_of_torchs_packed_sequences():
    lengths, features = torch.tensor([3, 6, 1, 6]), torch.randn(4, 7, 2)
    rows, batch_sizes = packed_rows(lengths, 7)
    packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
    assert torch.equal(features.flatten(0, 1)[rows], packed.data)
    assert torch.equal(batch_sizes, packed.batch_sizes)


def test_look_ahead_gives_each_state_later_and_sees_no_further():
    """State t of the one with look-ahead 3 is state t + 3 of the one without, and frame t + 4 changes nothing there."""
    plain = RecurrentEncoder("lstm", features=6, hidden=4, layers=2, bidirectional=False, dropout=0.0)
    ahead = RecurrentEncoder("lstm", features=6, hidden=4, layers=2, bidirectional=False, dropout=0.0, look_ahead=3)
    ahead.load_state_dict(plain.state_dict())
    features = torch.randn(2, 10, 6)
    states = ahead(features)
    torch.testing.assert_close(states[:, :7], plain(features)[:, 3:])
    changed = features.clone()
    changed[:, 8] += 1
    torch.testing.assert_close(ahead(changed)[:, :5], states[:, :5])
    assert not torch.allclose(ahead(changed)[:, 5], states[:, 5])


def test_look_ahead_ends_at_each_clips_own_last_frame():
    ahead = RecurrentEncoder("lstm", features=6, hidden=4, layers=2, bidirectional=False, dropout=0.0, look_ahead=3)
    features = torch.randn(2, 10, 6)
    features[1, 6:] = 0
    together = ahead(features, torch.tensor([10, 6]))
    torch.testing.assert_close(together[1, :6], ahead(features[1:, :6])[0])
    assert (together[1, 6:] == 0).all()
