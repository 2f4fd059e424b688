"""`--engine ray`: the commands write what they write without it."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from ray_here import running_ray
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.engines import Engine
from lipscribe.talker import Talker

pytestmark = pytest.mark.slow
SAID = ("place red at l seven please", "bin blue by f six now", "set white with p four again")


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    with running_ray() as engine:
        yield engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos, one that is none, and a manifest of them."""
    folder = tmp_path_factory.mktemp("videos")
    for number, said in enumerate(SAID):
        Talker(seed=7).say(said).save(folder / f"{number}.mp4")
    (folder / "bad.mp4").write_text("no video")
    clips = [Clip(path.stem, str(path), "unknown") for path in sorted(folder.iterdir())]
    save_manifest(folder / "clips.jsonl", clips)
    return folder


@pytest.fixture
def both(ray: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs a command on either engine, and returns exit code, stdout, stderr and the files it wrote to {out}."""
    monkeypatch.setattr("lipscribe.engines.ray_cluster.ray_engine", lambda address, number: nullcontext(ray))

    def run(*command: object) -> tuple[tuple[int, str, str, dict[str, bytes]], ...]:
        found = []
        for options in ([], ["--engine", "ray"]):
            out = tmp_path / f"out{len(found)}"
            words = [str(word).format(out=out) for word in command]
            result = CliRunner().invoke(app, [*words, *options])
            texts = (text.replace(str(out), "OUT") for text in (result.stdout, result.stderr))
            files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            found.append((result.exit_code, *texts, files))
        return tuple(found)

    return run


def test_transcribe(both, folder):
    local, on_ray = both("transcribe", folder, "--model", "talkers", "--format", "json", "-o", "{out}", "--jobs", 2)
    assert local == on_ray
    assert local[0] == 1
    assert sorted(local[3]) == ["0.json", "1.json", "2.json"]


def test_transcribe_to_stdout(both, folder):
    local, on_ray = both("transcribe", folder, "--model", "talkers", "--jobs", 2)
    assert local == on_ray
    assert [line.rpartition(": ")[2] for line in on_ray[1].splitlines()] == list(SAID)


def test_label(both, folder):
    local, on_ray = both(
        "label", folder / "clips.jsonl", "--model", "talkers", "-o", "{out}/labelled.jsonl", "--jobs", 2
    )
    assert local == on_ray
    assert [said in local[3]["labelled.jsonl"].decode() for said in SAID] == [True] * 3


def test_prepare(both, folder):
    local, on_ray = both("prepare", "manifest", "--root", folder / "clips.jsonl", "-o", "{out}", "--workers", 2)
    assert local == on_ray
    assert local[0] == 1
    assert {"train-000000.tar", "train-000000.jsonl", "manifest.jsonl", "status.jsonl"} < set(local[3])
