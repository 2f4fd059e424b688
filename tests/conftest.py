"""What several test files share: drawn mouths as a toy corpus, a toy model, and the real clips where they are."""

import ast
import importlib
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.extras import REMEDIES
from lipscribe.models.spec import ModelSpec
from lipscribe.schema import from_dict

if TYPE_CHECKING:
    from lipscribe.training.config import TrainConfig

# Networks as small as ours gain nothing from threads, and threads that wait for each other on a busy machine cost much.
if find_spec("torch"):
    import torch

    torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that tests start

REPO = Path(__file__).parents[1]
SHARED = Path(  # beside the checkout, or where a clone elsewhere says
    os.environ.get("LIPSCRIBE_SHARED") or REPO.parent / "shared"
)
GRID = SHARED.absolute() / "grid"

MOUTHS = {"red": (30, 6), "green": (10, 24), "blue": (18, 14)}  # width and height in pixels that each word opens to
SENTENCES = ("red green", "blue", "green blue red", "red", "blue green", "red blue", "green", "blue red green")


_left_out: list[str] = []


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Where torch is not installed, as after `pip install lipscribe`, the tests that need it or a package that comes
    with it are left out, and counted."""
    if find_spec("torch"):
        return None
    file = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if collection_path == Path(__file__).parent or file.suffix != ".py" or not file.exists() or not _needs_extra(file):
        return None
    _left_out.append(str(collection_path.relative_to(REPO)))
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was left out."""
    if _left_out:
        terminalreporter.write_line(f"left out without torch: {len(_left_out)} files: {', '.join(sorted(_left_out))}")


def _needs_extra(file: Path) -> bool:
    """Whether importing a test file needs a package that reading does without."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                return (error.name or "").partition(".")[0] in {*REMEDIES, "keras", "jiwer", "webdataset"}
            except pytest.skip.Exception:
                return True
    return False


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def grid_root() -> Path:
    """The real clips, which are no part of the repository."""
    if not GRID.is_dir() and os.environ.get("LIPSCRIBE_SHARED"):
        pytest.fail(f"LIPSCRIBE_SHARED promises the GRID clips in {GRID}, where there is no folder")
    if not GRID.is_dir():
        pytest.skip(f"needs the GRID clips in {GRID} (LIPSCRIBE_SHARED=FOLDER for FOLDER/grid)")
    return GRID


def draw_clip(clip_id: str, text: str, split: str, seed: int) -> PreparedClip:
    """A mouth that opens to another shape for each word, between stretches of silence in which it is a line."""
    rng = np.random.default_rng(seed)
    shapes, words = [(26, 1)] * int(rng.integers(2, 5)), []
    for word in text.split():
        num_frames = int(rng.integers(4, 8))
        words.append(WordTime(word, len(shapes) / 25, (len(shapes) + num_frames) / 25))
        shapes += [MOUTHS[word]] * num_frames
    shapes += [(26, 1)] * int(rng.integers(2, 5))
    crops = rng.normal(150, 4, size=(len(shapes), 96, 96))
    rows, columns = np.mgrid[:96, :96]
    centre_x, centre_y = 47.5 + rng.uniform(-3, 3, size=2)
    for crop, (width, height) in zip(crops, shapes, strict=True):
        crop[((columns - centre_x) / width) ** 2 + ((rows - centre_y) / height) ** 2 < 1] -= 100
    crops = crops.clip(0, 255).astype(np.uint8)
    return PreparedClip(Clip(clip_id, f"{clip_id}.mp4", text, tuple(words), clip_id[:2], split), crops)


@pytest.fixture(scope="session")
def toy_clip() -> Callable[..., PreparedClip]:
    """See `draw_clip`."""

    def draw(clip_id: str = "s1/toy", text: str = "red green", split: str = "train", seed: int = 0) -> PreparedClip:
        return draw_clip(clip_id, text, split, seed)

    return draw


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of 11 train clips in two shards and 4 dev clips, not to be written to."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, numbers in {"train-000000": range(6), "train-000001": range(6, 11), "dev-000000": range(11, 15)}.items():
        split = name.split("-")[0]
        clips = [draw_clip(f"s1/clip{n:02d}", SENTENCES[n % len(SENTENCES)], split, seed=n) for n in numbers]
        write_shard(folder / f"{name}.tar", clips)
    return folder


@pytest.fixture(scope="session")
def toy_settings(prepared: Path) -> Callable[..., dict[str, Any]]:
    """A training config that takes a second or so, as plain data: `toy_settings(output, optim={"epochs": 2}, seed=3)`.

    Keywords replace single values of the sections.
    """

    def settings(output: Path | str, **sections: Any) -> dict[str, Any]:
        data: dict[str, Any] = {
            "output": str(output),
            "data": {"folder": str(prepared), "workers": 0},
            "model": {
                "name": "toy",
                "tokenizer": {"kind": "words", "words": list(MOUTHS)},
                "input": {"height": 32, "width": 48},
                "frontend": {"channels": [6, 8], "stem_frames": 3, "features": 16, "dropout": 0.2},
                "encoder": {"hidden": 12, "layers": 2, "dropout": 0.2},
            },
            "augment": {"shift": 2, "time_mask_frames": 2},
            "optim": {"epochs": 4, "batch_size": 4, "average": 0.5, "precision": "32-true"},
        }
        for name, value in sections.items():
            data[name] = {**data.get(name, {}), **value} if isinstance(value, dict) else value
        return data

    return settings


@pytest.fixture(scope="session")
def toy_config(toy_settings: Callable[..., dict[str, Any]]) -> "Callable[..., TrainConfig]":
    """`toy_settings` as a `TrainConfig`."""
    pytest.importorskip("torch")
    from lipscribe.training.config import TrainConfig

    return lambda output, **sections: from_dict(TrainConfig, toy_settings(output, **sections), "toy")


@pytest.fixture
def toy_spec(toy_config: "Callable[..., TrainConfig]") -> ModelSpec:
    """The model of `toy_settings`."""
    return toy_config("unused").model
