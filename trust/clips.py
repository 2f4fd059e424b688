"""Small videos of talkers, drawn once, and what a server reads from each when nobody else asks."""

import random
from dataclasses import dataclass
from pathlib import Path

import httpx

from lipscribe.data.corpora.grid import SLOTS
from lipscribe.talker import Talker

PATH = "/v1/video/transcriptions"
SEED = 930_000


@dataclass(frozen=True)
class Clip:
    """A video, and the answer to it."""

    content: bytes
    alone: str = ""  # words with times and probabilities, as text


def sentence(number: int) -> str:
    rng = random.Random(number)
    return " ".join(rng.choice(slot) for slot in SLOTS)


def draw_clips(folder: Path, number: int) -> list[Clip]:
    """Talkers who say a sentence each."""
    clips = []
    for each in range(number):
        path = folder / f"{each}.mp4"
        Talker(SEED + each).say(sentence(each), duration=2.4 + 0.2 * (each % 4)).save(path)
        clips.append(Clip(path.read_bytes()))
    return clips


def read_alone(address: str, clips: list[Clip]) -> list[Clip]:
    """Clips with the server's answers, asked one after another.

    Raises:
        SystemExit: Nothing is read of one: all answers without words would be right.
    """
    with httpx.Client(timeout=120) as client:
        read = [Clip(clip.content, said(ask(client, address, clip))) for clip in clips]
    if silent := sum(not clip.alone for clip in read):
        raise SystemExit(f"no word is read of {silent} of {len(read)} clips, so nothing can be compared")
    return read


def ask(client: httpx.Client, address: str, clip: Clip) -> httpx.Response:
    form = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    return client.post(address + PATH, files={"file": ("clip.mp4", clip.content)}, data=form)


def said(answer: httpx.Response) -> str:
    """All that depends on the video: each word with its times and probability."""
    answer.raise_for_status()
    return " ".join(f"{w['word']}@{w['start']}-{w['end']}:{w['probability']:.4f}" for w in answer.json()["words"])
