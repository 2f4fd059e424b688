"""Real clips, from the corpus folder to training batches."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.corpora.grid import SLOTS, prepare_grid
from lipscribe.data.dataset import ShardDataset
from lipscribe.data.prepare import prepare
from lipscribe.data.shards import PreparedClip, read_shard
from lipscribe.tokenizer import WordTokenizer

pytestmark = pytest.mark.slow
SHORT = "lrae3s"  # one of the four clips that lack a frame


@pytest.fixture(scope="module")
def output(grid_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dev clips as published, one train clip of 74 frames, and a train clip that is no video."""
    clips, _ = prepare_grid(grid_root)
    wanted = [clip for clip in clips if clip.split == "dev"][:2] + [clip for clip in clips if clip.id == f"s1/{SHORT}"]
    output = tmp_path_factory.mktemp("prepared")
    broken = output / "broken.mpg"
    broken.write_text("no video")
    statuses = prepare([*wanted, replace(wanted[2], id="s1/broken", path=str(broken))], output, workers=2)
    skipped = [status for status in statuses if status.status != "ok"]
    assert [status.id for status in skipped] == ["s1/broken"]
    assert "broken.mpg" in skipped[0].reason
    assert all(status.coverage == 1 and 30 < status.mouth_width_px < 80 for status in statuses[:3])
    return output


def clips_of(output: Path, split: str) -> list[PreparedClip]:
    return list(read_shard(output / f"{split}-000000.tar"))


def test_clips_keep_all_their_frames_and_words(output: Path):
    dev, train = clips_of(output, "dev"), clips_of(output, "train")
    assert [clip.crops.shape for clip in [*dev, *train]] == [(75, 96, 96), (75, 96, 96), (74, 96, 96)]
    for prepared in [*dev, *train]:
        words = prepared.clip.words
        assert [word.text for word in words] == prepared.clip.text.split()
        assert 0 < words[0].start < words[-1].end <= len(prepared.crops) / 25


def test_what_moves_is_in_the_middle_of_the_crops(output: Path):
    for prepared in clips_of(output, "dev"):
        crops = prepared.crops.astype(float)
        moving = abs(np.diff(crops, axis=0)).mean(0)
        rows, columns = np.mgrid[:96, :96]
        centre = np.array([(moving * rows).sum(), (moving * columns).sum()]) / moving.sum()
        assert abs(centre - 47.5).max() < 10


def test_they_make_a_batch(output: Path):
    tokenizer = WordTokenizer(sorted(word for slot in SLOTS for word in slot))
    batch = next(ShardDataset(output, "dev", tokenizer, 56, 80).batches(2))
    assert batch.video.shape == (2, 75, 1, 56, 80)
    assert batch.target_lengths.tolist() == [6, 6]
    for row in range(2):
        said = [token for token in batch.frame_tokens[row].unique_consecutive().tolist() if token > 0]
        assert said == batch.targets[row].tolist()


def test_the_status_says_why(output: Path, tmp_path: Path):
    assert '"reason": "' in (output / "status.jsonl").read_text()
    assert "s1/broken" not in (output / "manifest.jsonl").read_text()
    shutil.copytree(output, tmp_path / "moved")  # a prepared folder can be carried elsewhere
    assert len(clips_of(tmp_path / "moved", "dev")) == 2
