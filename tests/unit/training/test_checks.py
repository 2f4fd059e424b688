"""The clips of a run before its first step: whatever is wrong with them is found, all at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.dataset import ClipLength
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.errors import ManifestError
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer
from lipscribe.training.checks import clip_faults, load_data
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train

MakeConfig = Callable[..., TrainConfig]
DrawClip = Callable[..., PreparedClip]


def worded(prepared: PreparedClip, text: str) -> PreparedClip:
    return replace(prepared, clip=replace(prepared.clip, text=text, words=()))


def test_all_faults_are_listed_and_once_they_are_mended_the_run_begins_or_is_resumed(
    toy_config: MakeConfig, toy_clip: DrawClip, tmp_path: Path
):
    good = {split: [toy_clip(f"s1/{split}{n}", split=split, seed=n) for n in range(4)] for split in ("train", "dev")}
    for split, clips in good.items():
        write_shard(tmp_path / f"{split}-000000.tar", clips)
    config = toy_config(tmp_path / "run", data={"folder": str(tmp_path)}, optim={"epochs": 1})
    train(config)

    short = replace(worded(good["train"][1], "red red"), crops=np.zeros((2, 96, 96), np.uint8))
    late = replace(good["train"][2].clip, words=(WordTime("red", 0, 1), WordTime("green", 25, 53)))
    bad = [worded(good["train"][0], "red purple"), short, replace(good["train"][2], clip=late)]
    write_shard(tmp_path / "train-000000.tar", bad)
    write_shard(tmp_path / "dev-000000.tar", [worded(clip, "mauve") for clip in good["dev"]])
    (tmp_path / "train-000001.jsonl").touch()  # whose shard was not copied along
    more = replace(config, optim=replace(config.optim, epochs=2))
    with pytest.raises(ManifestError) as caught:
        train(more, resume=True)
    message = str(caught.value)
    assert message.startswith("training cannot start, 5 faults in its clips: ")
    for part in (
        f"{tmp_path} lacks shards (train-000001): copy or prepare them again",
        "1 of 3 train clips have a text outside the vocabulary (s1/train0): words 'purple' of 'red purple' are not",
        "1 of 3 train clips have a text too long for its clip (s1/train1): 'red red' needs 3 frames and has 2",
        "1 of 3 train clips have word times past its end (s1/train2): the words end at 53.00 s, the clip at ",
        "4 of 4 dev clips have a text outside the vocabulary (s1/dev0, s1/dev1, s1/dev2, ...): words 'mauve' of",
    ):
        assert part in message

    (tmp_path / "train-000001.jsonl").unlink()
    for split, clips in good.items():
        write_shard(tmp_path / f"{split}-000000.tar", clips)
    assert train(more, resume=True) == tmp_path / "run" / "last"


def test_an_empty_or_a_missing_split_is_found_beside_damaged_shards(
    toy_config: MakeConfig, toy_clip: DrawClip, tmp_path: Path
):
    config = toy_config(tmp_path / "run", data={"folder": str(tmp_path)})
    write_shard(tmp_path / "train-000000.tar", [toy_clip()])
    with pytest.raises(ManifestError, match=r"1 fault in its clips: .* has no split 'dev': it has train"):
        train(config)
    for number in range(2):
        (tmp_path / f"train-00000{number}.tar").write_bytes(b"no shard")
    write_shard(tmp_path / "dev-000000.tar", [])
    with pytest.raises(ManifestError) as caught:
        train(config)
    for part in (
        "2 faults in its clips",
        "train-000000.tar cannot be read",
        "train-000001.tar cannot be read",
        "dev-000000.tar and its like hold no clip: status.jsonl beside them says why",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_fewer_clips_than_devices(toy_config: MakeConfig, tmp_path: Path):
    config = toy_config(tmp_path / "run", data={"limit": 1}, devices=2)
    with pytest.raises(ManifestError, match=r"1 train clip is too few for 2 parts of a step .*: set fewer devices"):
        load_data(config)


@pytest.mark.parametrize(("text", "frames"), [("ab", 2), ("aa", 3), ("aab", 4), ("aaa", 5)])
def test_ctc_needs_a_frame_a_token_and_one_between_two_alike(text: str, frames: int):
    tokenizer = CharacterTokenizer("ab")
    clips = [ClipLength(Clip("a", "a.mp4", text), length) for length in (frames - 1, frames)]
    (fault,) = clip_faults(clips, "train", tokenizer, ctc=True)
    assert f"1 of 2 train clips have a text too long for its clip (a): {text!r} needs {frames} frames" in fault
    assert clip_faults(clips, "train", tokenizer, ctc=False) == []


def test_words_may_end_a_little_after_the_last_frame():
    words = (WordTime("red", 0.0, 1.09),)
    clips = [ClipLength(Clip("a", "a.mp4", "red", words), 25)]
    assert clip_faults(clips, "train", WordTokenizer(("red",)), ctc=True) == []
    late = [ClipLength(Clip("a", "a.mp4", "red", (WordTime("red", 0.0, 1.11),)), 25)]
    assert len(clip_faults(late, "train", WordTokenizer(("red",)), ctc=True)) == 1
