"""Files of weights: what is in them comes out, and whatever else they are, nothing of them is executed."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from lipscribe.errors import CheckpointError
from lipscribe.zoo.interop.tensors import read_config, read_tensors

GOOD = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


class Touch:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Eval(Touch):
    def __reduce__(self):
        return eval, (f"open({self.path!r}, 'w').close()",)


def zipped(path: Path, evil: Touch) -> None:
    """A sound .pth whose pickle is replaced."""
    torch.save(GOOD, path.with_name("good.pth"))
    with zipfile.ZipFile(path.with_name("good.pth")) as good, zipfile.ZipFile(path, "w") as bad:
        for entry in good.infolist():
            content = pickle.dumps(evil, 2) if entry.filename.endswith("data.pkl") else good.read(entry)
            bad.writestr(entry, content)


EVIL = {
    "pickle of protocol 0": lambda path, evil: path.write_bytes(pickle.dumps(evil, 0)),
    "pickle of protocol 2": lambda path, evil: path.write_bytes(pickle.dumps(evil, 2)),
    "pickle of protocol 5": lambda path, evil: path.write_bytes(pickle.dumps({"a": evil}, 5)),
    "zip of torch": lambda path, evil: torch.save({"a": torch.zeros(2), "b": evil}, path),
    "old file of torch": lambda path, evil: torch.save({"a": evil}, path, _use_new_zipfile_serialization=False),
    "settings of Lightning": lambda path, evil: torch.save({"state_dict": GOOD, "hyper_parameters": evil}, path),
    "another pickle in a good zip": zipped,
}


@pytest.mark.parametrize("evil", [Touch, Eval])
@pytest.mark.parametrize("kind", EVIL)
def test_code_is_refused_and_not_run(kind, evil, tmp_path):
    path, trace = tmp_path / "model.pth", tmp_path / "trace"
    EVIL[kind](path, evil(trace))
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    assert not trace.exists()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if "torch" in kind or "zip" in kind:
        assert ("system" if evil is Touch else "eval") + ", but weights need no code" in str(caught.value)
        assert "nothing of it was executed" in str(caught.value)
    pickle.loads(pickle.dumps(evil(trace)))  # this would have happened
    assert trace.exists()


@pytest.mark.parametrize("data", [GOOD, {"state_dict": GOOD}, {"model": {f"module.{n}": t for n, t in GOOD.items()}}])
@pytest.mark.parametrize("new", [True, False])
def test_weights_come_out_of_their_wrapping(data, new, tmp_path):
    torch.save(data, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    tensors = read_tensors(tmp_path / "a.pth")
    assert set(tensors) == {"a", "b"}
    assert all(torch.equal(tensors[name], GOOD[name]) for name in GOOD)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["new", "old", "safetensors"])
def test_a_part_of_a_file_is_told_as_such(kind, share, tmp_path):
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        from safetensors.torch import save_file

        save_file(GOOD, path)
    else:
        torch.save(GOOD, path, _use_new_zipfile_serialization=kind == "new")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"damaged|is empty|not a plain file|not a file of torch.save"):
        read_tensors(path)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_refused(seed, tmp_path):
    import numpy as np

    rng = np.random.default_rng(seed)
    (tmp_path / "a.pth").write_bytes(b"\x80\x02" + rng.bytes(500))
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "is a pointer of Git LFS, not the weights"),
        (b"hello", "is not a file of torch.save"),
    ],
)
def test_what_else_may_come_in_the_place_of_weights(content, message, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_tensors(tmp_path / "a.pth")


def test_an_archive_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "LRS3_V_WER19.1.zip", "w") as archive:
        archive.writestr("LRS3_V_WER19.1/model.json", "{}")
    with pytest.raises(CheckpointError, match="is an archive of 1 files: unpack it, and give the folder"):
        read_tensors(tmp_path / "LRS3_V_WER19.1.zip")


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(tmp_path / "absent.pth")


@pytest.mark.parametrize("text", ['{"adim": 3}', '[1, 2, {"adim": 3}]'])
def test_model_json_of_either_kind(text, tmp_path):
    (tmp_path / "model.json").write_text(text)
    assert read_config(tmp_path / "model.json") == {"adim": 3}


@pytest.mark.parametrize(("text", "message"), [("[1, 2]", "does not describe a model"), ("{", "cannot be read")])
def test_a_wrong_model_json(text, message, tmp_path):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_config(tmp_path / "model.json")
