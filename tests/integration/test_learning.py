"""The whole of training at work: what is drawn into the clips is learned, and read from clips never seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.search import SearchOptions, search
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.transforms import crops_to_video
from lipscribe.zoo.checkpoint import load_checkpoint

TEXTS = ("red green", "blue red", "green blue red", "red", "blue green", "green red blue", "green", "blue red green")


@pytest.mark.slow
def test_drawn_mouths_are_read(
    tmp_path: Path, toy_config: Callable[..., TrainConfig], toy_clip: Callable[..., PreparedClip]
):
    for split, number, first in (("train", 48, 0), ("dev", 8, 1000)):
        clips = [toy_clip(f"s1/{split}{n}", TEXTS[n % 8], split, seed=first + n) for n in range(number)]
        write_shard(tmp_path / f"{split}-000000.tar", clips)
    config = toy_config(
        tmp_path / "run",
        data={"folder": str(tmp_path)},
        model={"input": {"height": 48, "width": 64}},
        optim={"epochs": 18, "batch_size": 8, "learning_rate": 0.01, "average": 0.8, "frame_weight": 5},
        augment={"cutout": 0, "time_masks": 0},
        evaluate_every=18,
    )
    spec, reader = load_checkpoint(train(config))
    tokenizer = spec.tokenizer
    read = []
    for clip in clips:
        video = crops_to_video(clip.crops, spec.input.height, spec.input.width)
        log_probs = reader(video[None], video.new_tensor([len(video)]).long()).detach()
        read.append(search(log_probs, None, tokenizer, SearchOptions(method="greedy"))[0][0].text)
    wrong = [(text, clip.clip.text) for text, clip in zip(read, clips, strict=True) if text != clip.clip.text]
    assert len(wrong) <= 1
