"""Published models, imported: every layout gives the same model, and what is no such model is refused in a line."""

import errno
import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from auto_avsr_golden import GOLDEN, needs_golden, ours, weights
from published_models import (
    CONFIG,
    LM_CONFIG,
    UNITS,
    VOCAB,
    chaplin_names,
    lightning,
    old_names,
    save,
    tiny_lm_state,
    tiny_state,
    write_units,
)
from torch import Tensor

from lipscribe.errors import CheckpointError, LipscribeError
from lipscribe.models.spec import Card, load_spec
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.interop import importing
from lipscribe.zoo.interop.importing import import_model
from lipscribe.zoo.language_model import load_language_model
from lipscribe.zoo.layouts import released_lm_name
from lipscribe.zoo.registry import find_language_model, find_model, models_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "cache"


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Tensor]:
    return tiny_state(tmp_path / "elsewhere")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    return write_units(tmp_path / "elsewhere" / "my_units.txt")


def assert_nothing_left(cache: Path) -> None:
    assert not (cache / "models").exists() or list((cache / "models").iterdir()) == []


def assert_same(name: str, state: dict[str, Tensor]) -> None:
    """The installed model has these weights (auto_avsr's names), bit for bit."""
    _, reader = load_checkpoint(find_model(name))
    found, wanted = reader.state_dict(), ours(state, reader)
    assert set(found) == set(wanted)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in found.values())


LAYOUTS = {
    "auto_avsr": ("a.pth", lambda state: state, None),
    "lightning": ("a.ckpt", lightning, None),
    "parallel": ("a.pt", lambda state: {f"module.{name}": tensor for name, tensor in state.items()}, None),
    "chaplin": ("model.pth", chaplin_names, CONFIG),
    "chaplin, as a list": ("model.pth", chaplin_names, [1, VOCAB, CONFIG]),
    "old names": ("model.pth", lambda state: old_names(chaplin_names(state)), CONFIG),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_model(layout, state, units, tmp_path):
    name, change, config = LAYOUTS[layout]
    path = save(tmp_path / name, change(state), config)
    imported = import_model(path, "mine", units=None if config else units)
    assert imported.folder == models_folder() / "mine" == find_model("mine")
    assert {file.name for file in imported.folder.iterdir()} == {"spec.json", "model.safetensors", "units.txt"}
    assert_same("mine", state)
    spec = load_spec(imported.folder)
    assert (spec.name, spec.encoder.positions, spec.frontend.activation) == ("mine", "latest", "swish")
    assert (spec.encoder.heads, spec.encoder.ff, spec.encoder.kernel, spec.encoder.layers) == (4, 24, 7, 2)
    assert (spec.decoder.heads, spec.decoder.ff, spec.decoder.layers) == (4, 20, 1)
    assert (spec.input.height, spec.input.crop, spec.input.normalisation) == (88, "auto-avsr", "fixed")
    assert spec.tokenizer.vocab == ["<blank>", *UNITS, "<eos>"]
    assert imported.sha256 in spec.card.data
    assert spec.card.licence == importing.UNKNOWN_LICENCE


def test_the_old_file_format_and_half_precision(state, units, tmp_path):
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(half, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    import_model(tmp_path / "old.pth", "old", units=units)
    assert_same(
        "old", {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in half.items()}
    )


def test_safetensors_and_a_folder(state, tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "given").mkdir()
    save_file(chaplin_names(state), tmp_path / "given" / "model.safetensors")
    (tmp_path / "given" / "model.json").write_text(json.dumps(CONFIG))
    import_model(tmp_path / "given", "mine")
    assert_same("mine", state)


def test_prelu_is_seen_in_the_weights(units, tmp_path):
    state = tiny_state(tmp_path, "prelu")
    import_model(save(tmp_path / "a.pth", state), "mine", units=units)
    assert load_spec(find_model("mine")).frontend.activation == "prelu"
    assert_same("mine", state)


@pytest.mark.parametrize(
    ("changes", "positions"),
    [
        ({"rel_pos_type": None}, "legacy"),
        ({"transformer_encoder_attn_layer_type": "legacy_rel_mha"}, "legacy"),
        ({}, "latest"),
    ],
)
def test_the_kind_of_positions_comes_from_model_json(changes, positions, state, tmp_path):
    config = {key: value for key, value in (CONFIG | changes).items() if value is not None}
    import_model(save(tmp_path / "model.pth", chaplin_names(state), config), "mine")
    assert load_spec(find_model("mine")).encoder.positions == positions


def test_without_model_json_the_second_layout_is_taken_as_the_latest_with_a_note(state, units, tmp_path):
    imported = import_model(save(tmp_path / "model.pth", chaplin_names(state)), "mine", units=units)
    assert "no model.json next to model.pth" in imported.notes[0]
    assert not any("model.json" in note for note in import_model(save(tmp_path / "b.pth", state), "b", units).notes)


@needs_golden
@pytest.mark.parametrize("layout", ["auto_avsr", "lightning", "chaplin"])
def test_the_golden_model_comes_through_whole(layout, tmp_path):
    name, change, _ = LAYOUTS[layout]
    state = weights("small")
    path = save(tmp_path / name, change(state))
    for file in ("unigram5000_units.txt", "unigram5000.model"):  # found where they lie beside the weights
        shutil.copy(GOLDEN / file, tmp_path)
    import_model(path, "small", card=Card(licence="mine"))
    assert_same("small", state)
    spec = load_spec(find_model("small"))
    assert (spec.encoder.hidden, spec.encoder.heads, spec.encoder.kernel, spec.card.licence) == (64, 4, 31, "mine")
    tokenizer = spec.tokenizer
    assert len(tokenizer.vocab) == 5049
    assert Path(spec.tokenizer.model).parent == find_model("small")
    assert tokenizer.decode(tokenizer.encode("hello world")) == "hello world"


def test_published_units_are_asked_for(cache, tmp_path):
    state = tiny_state(tmp_path)
    for name in ("ctc.ctc_lo.weight", "ctc.ctc_lo.bias", "decoder.output_layer.weight", "decoder.output_layer.bias"):
        state[name] = torch.zeros(5049, *state[name].shape[1:])
    path = save(tmp_path / "a.pth", state | {"decoder.embed.0.weight": torch.zeros(5049, 16)})
    with pytest.raises(
        CheckpointError, match=r"pass --units unigram5000_units.txt, published at https://github.com/mpc"
    ):
        import_model(path, "mine")
    assert_nothing_left(cache)


@pytest.mark.parametrize("wrong", ["units", "char_list", "none", "lines", "no model"])
def test_a_vocabulary_that_is_not_the_models(wrong, cache, state, units, tmp_path):
    config, given, message = None, None, "pass --units FILE, the 6 units"
    if wrong == "units":
        given, message = write_units(tmp_path / "u.txt", UNITS[:4]), "holds 4 units, and the model has 6"
    elif wrong == "char_list":
        config, message = CONFIG | {"char_list": CONFIG["char_list"][:5]}, "char_list in model.json has 5 names"
    elif wrong == "lines":
        (tmp_path / "u.txt").write_text("hello")
        given, message = tmp_path / "u.txt", "wanted a unit and its id"
    tokenizer = None
    if wrong == "no model":
        given, tokenizer, message = units, tmp_path / "absent.model", "no tokenizer .*absent.model"
    with pytest.raises(CheckpointError, match=message):
        import_model(save(tmp_path / "a.pth", state, config), "mine", given, tokenizer)
    assert_nothing_left(cache)


def test_every_weight_that_does_not_fit_is_counted_and_ten_are_named(cache, state, units, tmp_path):
    missing = [name for name in state if name.startswith("decoder.decoders.0.src_attn.")]
    state = {name: tensor for name, tensor in state.items() if name not in missing}
    state |= {"aux.weight": torch.zeros(1), "encoder.after_norm.weight": torch.zeros(3)}
    state |= {f"aux.{n}.bias": torch.zeros(1) for n in range(5)}
    with pytest.raises(CheckpointError) as caught:
        import_model(save(tmp_path / "a.pth", state), "mine", units=units)
    message = str(caught.value)
    assert f"{len(missing) + 7} of " in message
    assert "decoder.decoders.0.src_attn.linear_q.weight is missing" in message
    assert "aux.weight is not known" in message
    assert f"and {len(missing) + 7 - 10} more" in message
    assert "\n" not in message
    assert_nothing_left(cache)


def test_a_weight_of_another_shape_is_named(state, units, tmp_path):
    state["encoder.after_norm.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"encoder.after_norm.weight is \(3,\), wanted \(16,\)"):
        import_model(save(tmp_path / "a.pth", state), "mine", units=units)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"weight": torch.zeros(2)}, r"holds a network that is unknown \(it has weight, ...\)"),
        ({"frontend.trunk.layer1.0.conv1.weight": torch.zeros(64, 64, 3)}, "reads audio, or is of another family"),
        ({"frontend.frontend3D.0.weight": torch.zeros(64, 1, 5, 7, 7)}, "neither a CTC head nor a decoder"),
        ({}, "holds dict, wanted weights by name"),
        ([torch.zeros(2)], "holds list, wanted weights by name"),
        ({"a": torch.zeros(2), "lr": 3}, r"holds 1 entries that are not tensors \(first 'lr'\)"),
        ({"embed.weight": torch.zeros(2, 2), "rnn.0.weight_ih": torch.zeros(2)}, "recurrent language model"),
    ],
)
def test_other_networks_are_refused(data, message, cache, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        import_model(save(tmp_path / "a.pth", data), "mine")
    assert_nothing_left(cache)


def test_a_model_that_learned_nonsense_is_refused(state, units, tmp_path):
    state["encoder.after_norm.weight"][3] = torch.nan
    with pytest.raises(CheckpointError, match=r"1 weights \(first encoder.after_norm.weight\)"):
        import_model(save(tmp_path / "a.pth", state), "mine", units=units)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elayers": 12}, "has 2 but the model.json next to it has elayers 12"),
        ({"transformer_encoder_attn_layer_type": "mha"}, "attention of kind 'mha'"),
    ],
)
def test_a_model_json_of_another_model(changes, message, state, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        import_model(save(tmp_path / "model.pth", chaplin_names(state), CONFIG | changes), "mine")


def test_a_language_model_comes_through_whole(cache, tmp_path):
    state = tiny_lm_state()
    path = save(tmp_path / "model.pth", state, LM_CONFIG)
    folder = import_model(path, "lm").folder
    assert folder == find_language_model("lm") == models_folder() / "lm"
    spec, model = load_language_model(folder)
    assert (spec.vocab_size, spec.embedding, spec.hidden, spec.heads, spec.ff, spec.layers) == (VOCAB, 6, 8, 2, 12, 3)
    assert spec.placed
    assert all(torch.equal(tensor, state[released_lm_name(name)]) for name, tensor in model.state_dict().items())
    assert torch.isfinite(model(torch.tensor([[VOCAB - 1, 1]]))).all()
    with pytest.raises(CheckpointError, match="'lm' is a language model: give the name of a lip reader"):
        find_model("lm")


def test_a_language_model_without_its_number_of_heads(cache, tmp_path):
    with pytest.raises(CheckpointError, match=r"number of heads is unknown: put its model.json"):
        import_model(save(tmp_path / "model.pth", tiny_lm_state()), "lm")
    assert_nothing_left(cache)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "ä", "x" * 65])
def test_names_that_are_none(name, tmp_path):
    with pytest.raises(CheckpointError, match="is no name for a model"):
        import_model(tmp_path / "a.pth", name)


def test_names_that_are_taken(state, units, tmp_path):
    path = save(tmp_path / "a.pth", state)
    import_model(path, "mine", units=units)
    with pytest.raises(CheckpointError, match="take another name, or run `lipscribe models remove mine`"):
        import_model(path, "mine", units=units)
    with pytest.raises(CheckpointError, match="'grid' is the name of a bundled model"):
        import_model(path, "grid", units=units)


def test_no_room_is_told_before_anything_is_written(cache, state, units, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(30_000_000))
    with pytest.raises(LipscribeError, match=r"there is no room for the 0\.03 GB of the model"):
        import_model(save(tmp_path / "a.pth", state), "mine", units=units)
    assert_nothing_left(cache)


@pytest.mark.parametrize(
    ("error", "told", "message"),
    [
        (OSError(errno.ENOSPC, "full"), LipscribeError, "there is no room for the 0.03 GB"),
        (OSError(errno.EACCES, "denied"), LipscribeError, "cannot be written"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
def test_what_ends_in_the_middle_leaves_nothing(error, told, message, cache, state, units, tmp_path, monkeypatch):
    def fail(folder, *args):
        (folder / "model.safetensors.partial").touch()
        raise error

    path = save(tmp_path / "a.pth", state)
    with monkeypatch.context() as broken:
        broken.setattr(importing, "save_checkpoint", fail)
        with pytest.raises(told, match=message):
            import_model(path, "mine", units=units)
    assert_nothing_left(cache)
    import_model(path, "mine", units=units)


def test_what_a_killed_import_left_is_deleted_by_the_next_one(cache, state, units, tmp_path):
    left, other = cache / "models" / ".lipscribe-abc", cache / "models" / ".adapting-me"
    for folder in (left, other):  # the second is an interrupted adaptation, which resumes
        folder.mkdir(parents=True)
        (folder / ".lock").touch()
    import_model(save(tmp_path / "a.pth", state), "mine", units=units)
    assert {path.name for path in (cache / "models").iterdir()} == {"mine", ".adapting-me"}
