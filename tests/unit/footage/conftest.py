"""A short film of talkers, made as the benchmark makes its long ones."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SAID = "place red at c seven please"  # a model knows these words
OTHER = "nobody told me that the bridge was closed"
ORDER = ("talk", "listener", "empty", "pair", "other words", "far")


@pytest.fixture(scope="session")
def film_maker(repo: Path) -> ModuleType:
    """benchmarks/footage_film.py, which is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repo))
        return import_module("benchmarks.footage_film")


@pytest.fixture(scope="session")
def segments(film_maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segment of each kind in `ORDER`: its video, its sound and its truth."""
    folder = tmp_path_factory.mktemp("segments")
    for kind in ORDER:
        film_maker.draw_segment(folder, kind, kind, SAID if kind == "talk" else OTHER, OTHER, seed=20)
    return folder


@pytest.fixture(scope="session")
def make_film(film_maker: ModuleType, segments: Path) -> Callable[..., dict[str, Any]]:
    """Writes a film with subtitles that are right to 0.3 s, and gives its truth."""

    def make(path: Path, order: tuple[str, ...] = ORDER, sound: bool = True, late: float = 0.3) -> dict[str, Any]:
        film_maker.write_film(segments, order, path, sound)
        truth = json.loads(path.with_suffix(".truth.json").read_text())
        cues = [
            (one["words"][0][1] + late, one["words"][-1][2] + late, " ".join(word[0] for word in one["words"]))
            for one in truth["said"]
        ]
        path.with_suffix(".srt").write_text(film_maker.to_srt(cues))
        return truth

    return make
