"""Whole published models from a server that plays the Hugging Face Hub, and one of plain addresses."""

import hashlib
import io
import json
import socket
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from published_models import CONFIG, UNITS, chaplin_names, tiny_state

from lipscribe import download as download_module
from lipscribe.errors import CheckpointError, LipscribeError, MissingExtraError
from lipscribe.resumable import locked
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.fetching import hub, pull
from lipscribe.zoo.fetching.pull import pull_model
from lipscribe.zoo.published import Published, PublishedFile, find_published, list_published
from lipscribe.zoo.registry import find_model, models_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download_module, "PAUSES", (0.0,))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> bytes:
    stream = io.BytesIO()
    torch.save(chaplin_names(tiny_state(tmp_path)), stream)
    return stream.getvalue()


@pytest.fixture
def plain(server, weights: bytes) -> Published:
    """At plain addresses, with the sums of two files."""
    server.files["/model.json"] = json.dumps(CONFIG).encode()
    server.files["/model.pth"] = weights
    units = "".join(f"{unit} {idx}\n" for idx, unit in enumerate(UNITS, start=1)).encode()
    server.files["/units.txt"] = units
    files = (
        PublishedFile("model.json", "config", url=f"{server.url}/model.json"),
        PublishedFile("units.txt", "units", url=f"{server.url}/units.txt", sha256=hashlib.sha256(units).hexdigest()),
        PublishedFile(
            "model.pth", "weights", url=f"{server.url}/model.pth", sha256=hashlib.sha256(weights).hexdigest()
        ),
    )
    return published(files)


@pytest.fixture
def from_hub(server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Published:
    point_hub_at(server.url, monkeypatch)
    server.headers["X-Repo-Commit"] = COMMIT
    server.files["/some/model/resolve/main/model.json"] = json.dumps(CONFIG).encode()
    server.files["/some/model/resolve/main/model.pth"] = weights
    return published(
        tuple(
            PublishedFile(name, use, repository="some/model")
            for name, use in (("model.json", "config"), ("model.pth", "weights"))
        )
    )


def point_hub_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does, which is read once in a process."""
    constants = pytest.importorskip("huggingface_hub.constants")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.split("/", 3)[3]
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{url}/{template}")


def published(files: tuple[PublishedFile, ...]) -> Published:
    return Published("toy", "a few words", "drawn", ("en",), 1.0, "CC0", "Free.", "http://cc0", files, wer=0.25)


def test_what_can_be_fetched_is_complete_and_safe():
    for model in list_published():
        assert model.licence
        assert model.licence_text
        assert model.licence_url.startswith("https://")
        assert {"weights", "config"} <= {file.use for file in model.files}
        assert all(file.url is None or file.url.startswith("https://") for file in model.files)
        assert model.companion is None or find_published(model.companion).kind == "language model"
    with pytest.raises(CheckpointError, match="no published model 'x': give one of auto-avsr-lrs3, auto-avsr-lm"):
        find_published("x")


@pytest.mark.parametrize("source", ["plain", "from_hub"])
def test_a_model_is_fetched_installed_and_its_files_deleted(source, cache, request):
    model, lines = request.getfixturevalue(source), []
    imported = pull_model(model, say=lines.append)
    assert imported.folder == find_model("toy") == cache / "models" / "toy"
    spec, _ = load_checkpoint(imported.folder)
    assert (spec.card.reads, spec.card.licence, spec.card.scores) == ("a few words", "CC0", {"published_wer": 0.25})
    assert spec.card.notice == "the weights of toy are licensed for CC0 (http://cc0)"
    assert not (cache / "downloads" / "toy").exists()
    told = [line for line in lines if line.startswith("no sha256 of model.json is published; computed: ")]
    assert len(told) == (1 if source == "plain" else 0)  # the hub of the test tells the sum of each file
    with pytest.raises(CheckpointError, match="there is a model 'toy'"):
        pull_model(model, say=lines.append)


def test_another_name(plain):
    assert pull_model(plain, "mine", say=str).folder == find_model("mine")


def test_a_file_that_is_another_one_is_deleted(plain, server, cache):
    server.files["/model.pth"] += b"!"
    with pytest.raises(CheckpointError, match=r"model.pth came with sha256 \w{64}, wanted \w{64}: it was deleted"):
        pull_model(plain, say=str)
    assert not (cache / "downloads" / "toy" / "model.pth").exists()
    assert not (cache / "models").exists()


def test_what_broke_off_is_gone_on_from(plain, server, weights):
    server.break_after = [10_000, 10_000, 20_000, 0, 0]
    with pytest.raises(LipscribeError, match="the same command resumes there"):
        pull_model(plain, say=str)
    server.log.clear()
    pull_model(plain, say=str)
    assert server.log == [("/model.pth", "bytes=20000-")]


def test_what_broke_off_at_the_hub_is_gone_on_from(from_hub, server):
    server.break_after = [10_000, 20_000, 0, 0]
    with pytest.raises(LipscribeError, match="the same command resumes there"):
        pull_model(from_hub, say=str)
    server.log.clear()
    pull_model(from_hub, say=str)
    assert find_model("toy")
    files = [line for line in server.log if line[0].endswith((".json", ".pth"))]
    assert files == [("/some/model/resolve/main/model.pth", "bytes=20000-")]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_login_is_for_the_hub_alone(elsewhere, from_hub, server, weights, monkeypatch, tmp_path):
    import huggingface_hub

    try:
        socket.gethostbyname("localhost")  # another name than the server's own, which is 127.0.0.1
    except OSError:
        pytest.skip("this machine has no name for itself: /etc/hosts has no localhost")
    server.files["/elsewhere/model.pth"] = weights
    there = f"http://localhost:{server.server_port}/elsewhere/model.pth"
    here = f"{server.url}/some/model/resolve/main/model.pth"
    found = SimpleNamespace(location=there if elsewhere else here, etag=None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *args, **kwargs: found)
    monkeypatch.setattr(huggingface_hub.utils, "build_hf_headers", lambda: {"authorization": "Bearer secret"})
    assert hub.download_from_hub("some/model", "model.pth", "main", tmp_path) is None
    assert (tmp_path / "model.pth").read_bytes() == weights
    assert server.logins == ([None] if elsewhere else ["Bearer secret"])


def test_the_hub_has_no_such_file(from_hub, server):
    del server.files["/some/model/resolve/main/model.pth"]
    with pytest.raises(LipscribeError, match=r"model.pth of huggingface.co/some/model (is unavailable|could not be)"):
        pull_model(from_hub, say=str)


@pytest.mark.slow  # the library of the hub is patient
def test_the_hub_is_not_there(from_hub, server, dead_url, monkeypatch):
    point_hub_at(dead_url, monkeypatch)
    with pytest.raises(LipscribeError, match=r"could not be fetched \(.+\): check the network"):
        pull_model(from_hub, say=str)


def test_the_hub_needs_its_library(from_hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lipscribe\[hub\]'"):
        hub.download_from_hub("some/model", "model.json", "main", Path())


def test_no_room_is_told_before_anything_is_fetched(plain, server, monkeypatch):
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1_000_000))
    with pytest.raises(LipscribeError, match=r"toy needs 0\.0 GB in .* make room"):
        pull_model(plain, say=str)
    assert server.log == []


def test_a_second_process_is_told_of_the_first_before_anything_else(plain, server, cache, monkeypatch):
    folder = cache / "downloads" / "toy"
    folder.mkdir(parents=True)
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(0))  # the first fills it
    with (
        locked(folder),
        pytest.raises(LipscribeError, match=r"another process is writing to .*toy: wait until it has finished$"),
    ):
        pull_model(plain, say=str)
    assert server.log == []


def test_a_model_that_another_process_installs_just_now_is_not_fetched_again(plain, server, monkeypatch):
    def installed_meanwhile(folder: Path, remedy: str):
        (models_folder() / "toy").mkdir(parents=True)
        return locked(folder, remedy)

    monkeypatch.setattr(pull, "locked", installed_meanwhile)
    with pytest.raises(CheckpointError, match="toy"):
        pull_model(plain, say=str)
    assert server.log == []
