"""A journal gives back what it was given, whatever ended the run before."""

from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.journal import open_journal
from lipscribe.data.manifest import WordTime
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.footage.analysis import Found, FoundClip
from lipscribe.footage.journal import FootageJournal
from lipscribe.footage.subtitles import Dropped

LOOK = np.random.default_rng(0).standard_normal((2, 1280)).astype(np.float16).astype(np.float32)
FOUND = Found(
    [
        FoundClip(1.0, 2.5, "good evening", 3, (0.5, 0.4), "sound", (WordTime("good", 0.1, 0.5),), 0.7, 0.9),
        FoundClip(4.0, 5.0, "yes", 3, (0.5, 0.4), "mouth"),
    ],
    [Dropped(2.0, 3.0, "[door]", "nothing is said")],
    {3: LOOK},
)


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clips.work"
    with open_journal(FootageJournal, path, {"model": "grid"}) as journal:
        assert ("film", "0-1") not in journal
        journal.add("film", "0-1", Found())
        journal.add("film", "1-2", FOUND)
    with open_journal(FootageJournal, path, {"model": "grid"}) as journal:
        assert ("film", "1-2") in journal
        assert ("other", "1-2") not in journal
        read = journal.read("film", "1-2")
        assert (read.clips, read.dropped) == (FOUND.clips, FOUND.dropped)
        np.testing.assert_array_equal(read.looks[3], LOOK)
        assert journal.read("film", "0-1") == Found()


def test_an_interrupted_line_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "clips.work"
    with open_journal(FootageJournal, path, {}) as journal:
        journal.add("film", "0-1", FOUND)
        journal.add("film", "1-2", FOUND)
    path.write_bytes(path.read_bytes()[:-100])
    with open_journal(FootageJournal, path, {}) as journal:
        assert ("film", "0-1") in journal
        assert ("film", "1-2") not in journal
        journal.add("film", "1-2", FOUND)
        assert journal.read("film", "1-2").clips == FOUND.clips


def test_a_run_with_other_options_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.work"
    with open_journal(FootageJournal, path, {"model": "grid"}):
        pass
    with (
        pytest.raises(ManifestError, match=r"other options \(model grid, now none\): delete it"),
        open_journal(FootageJournal, path, {"model": "none"}),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model": "grid"}\nnonsense\n'])
def test_a_damaged_journal_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clips.work"
    path.write_text(text)
    with (
        pytest.raises(ManifestError, match=r"damaged|other options"),
        open_journal(FootageJournal, path, {"model": "grid"}),
    ):
        pass


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.work"
    with (
        open_journal(FootageJournal, path, {}),
        pytest.raises(LipscribeError, match="another process"),
        open_journal(FootageJournal, path, {}),
    ):
        pass
