"""Texts alone are enough: talkers' clips without word times teach a fresh network to read, and when words are said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.faces import choose_faces, load_face_detector, track_faces
from lipscribe.metrics import wer
from lipscribe.mouth import crop_mouth
from lipscribe.pipeline import load_model
from lipscribe.search import SearchOptions
from lipscribe.search.align import align_text
from lipscribe.talker import Talker
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train

WORDS = ["blue", "four", "please", "white", "again"]
FIRST_SEED = 910_000


@pytest.fixture(scope="module")
def spoken() -> list[PreparedClip]:
    """70 clips of seven talkers who each say three of five words, with the times of their words."""
    rng, detector, clips = np.random.default_rng(0), load_face_detector(), []
    for number in range(70):
        text = " ".join(rng.choice(WORDS, size=3))
        clip = Talker(FIRST_SEED + number % 7).say(text, take=number, duration=2.4, scene={"fps": 25})
        frames = clip.frames
        (run,) = choose_faces(track_faces(frames, 25, detector))[0].runs()
        assert run.start == 0
        record = Clip(f"t/{number:03d}", f"{number}.mp4", text, clip.words, split="train" if number < 60 else "dev")
        clips.append(PreparedClip(record, crop_mouth(frames, run)))
    return clips


@pytest.mark.slow
def test_talkers_are_read_after_training_on_texts_alone(
    spoken: list[PreparedClip], tmp_path: Path, toy_config: Callable[..., TrainConfig]
):
    for split in ("train", "dev"):
        untimed = [PreparedClip(replace(c.clip, words=()), c.crops) for c in spoken if c.clip.split == split]
        write_shard(tmp_path / f"{split}-000000.tar", untimed)
    config = toy_config(
        tmp_path / "run",
        data={"folder": str(tmp_path)},
        model={
            "tokenizer": {"kind": "words", "words": WORDS},
            "input": {"height": 40, "width": 64},
            "frontend": {"channels": [12, 16, 24], "stem_frames": 3, "features": 48, "dropout": 0.1},
            "encoder": {"hidden": 48, "layers": 1, "dropout": 0.1},
        },
        optim={"steps": 400, "batch_size": 8, "learning_rate": 0.005, "average": 0.95, "frame_weight": 3},
        augment={"cutout": 0, "time_masks": 0, "rotation": 3, "scale": 0.05},
        evaluate_every=100,
    )
    model = load_model(train(config))
    dev = [clip for clip in spoken if clip.clip.split == "dev"]
    read = [model.search(model.log_probs(clip.crops), SearchOptions("greedy"))[0].text for clip in dev]
    assert wer([clip.clip.text for clip in dev], read) <= 0.4, read  # without frame targets 1.0
    off = []
    for clip in spoken:
        words = align_text(model.log_probs(clip.crops), clip.clip.text, model.tokenizer)
        off += [abs(a.start / 25 - b.start) for a, b in zip(words, clip.clip.words, strict=True)]
    assert np.mean(off) < 0.15  # without frame targets 0.9
