"""How often a clip that a model cannot know is marked, and how often one that it knows.

    lipscribe prepare grid GRID prepared/s1; lipscribe prepare grid OTHERS prepared/others
    python benchmarks/familiarity.py prepared/s1 prepared/others --model grid

Prints a table for each half: the clips that the score was chosen by, and others, which are what is reported. A clip is
marked where one of its segments is; a clip in which nothing was read says nothing that could mislead. The sentences,
talkers and idle mouths are made here, from seeds.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.data.corpora.grid import SLOTS
from lipscribe.data.shards import PreparedClip, find_shards, read_shard
from lipscribe.faces import choose_faces, load_face_detector, track_faces
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.search.familiarity import FAMILIAR
from lipscribe.talker import Talker

CHOSEN_BY = {"s2", "s4", "s30", "s31"}  # the strangers that the score was chosen by; reported are the others
IDLE_SECONDS = (3, 6, 10)
SENTENCES = [
    line.strip()
    for line in (Path(__file__).parent / "familiarity.txt").read_text(encoding="utf-8").splitlines()
    if line.strip()
]

Clips = Iterator[np.ndarray]


def prepared(folder: Path, *splits: str) -> Iterator[PreparedClip]:
    for split in splits:
        for shard in find_shards(folder, split):
            yield from read_shard(shard)


def strangers(folder: Path, reported: bool) -> Clips:
    for clip in prepared(folder, "train", "dev"):
        if (clip.clip.speaker not in CHOSEN_BY) == reported:
            yield clip.crops


def talkers(texts: list[str], first_seed: int) -> Clips:
    """One person a sentence."""
    detector = load_face_detector()
    for number, text in enumerate(texts):
        clip = Talker(first_seed + number).say(text)
        tracks = track_faces(clip.frames, clip.fps, detector)
        if tracks:
            run = max(choose_faces(tracks)[0].runs(), key=lambda run: run.stop - run.start)
            yield crop_mouth(clip.frames, run)


def grid_sentences(number: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(sorted(slot)) for slot in SLOTS) for _ in range(number)]


def shuffled(clips: list[PreparedClip], seed: int) -> Clips:
    """The same words in an order that the grammar does not have, cut midway between them."""
    rng = np.random.default_rng(seed)
    for clip in clips:
        words, fps = clip.clip.words, 25
        cuts = [round((before.end + after.start) / 2 * fps) for before, after in pairwise(words)]
        parts = np.split(clip.crops, cuts)
        order = rng.permutation(len(parts))
        while (np.diff(order) == 1).sum() > 1:
            order = rng.permutation(len(parts))
        yield np.concatenate([parts[i] for i in order])


def idle(clips: list[PreparedClip]) -> Clips:
    """The silence before the first word, forth and back for some seconds."""
    for number, clip in enumerate(clips):
        silence = clip.crops[: max(int(clip.clip.words[0].start * 25) - 2, 0)]
        if len(silence) >= 6:
            there_and_back = np.concatenate([silence, silence[::-1]])
            num_frames = 25 * IDLE_SECONDS[number % len(IDLE_SECONDS)]
            yield np.concatenate([there_and_back] * (num_frames // len(there_and_back) + 1))[:num_frames]


def measure(name: str, model: Model, clips: Clips) -> str:
    total = read = marked = 0
    values = []
    for crops in clips:
        found = [segment.familiarity for segment in model.transcribe(crops).segments]
        total += 1
        read += bool(found)
        marked += any(value < FAMILIAR for value in found)
        values += found
    share = f"{marked / read:.1%}" if read else "-"
    middle = f"{np.median(values):.2f}" if values else "-"
    return f"| {name} | {total} | {read} | {marked} | {share} | {middle} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("known", type=Path, help="GRID speaker s1, prepared")
    parser.add_argument("others", type=Path, help="other speakers, prepared")
    parser.add_argument("--model", default="grid")
    parser.add_argument("--half", choices=("chosen", "reported"), default="reported")
    args = parser.parse_args()
    model = lipscribe.load_model(args.model)
    if model.spec.surprise_limit is None:
        parser.error(f"model {args.model} has no surprise_limit: lipscribe calibrate fits one")
    reported = args.half == "reported"
    train = list(prepared(args.known, "train"))[3 if reported else 1 :: 8]
    half, seed = len(SENTENCES) // 2, 3000 if reported else 1000
    sets = {
        "s1, GRID sentences" + (" (dev)" if reported else " (train)"): (
            clip.crops for clip in (prepared(args.known, "dev") if reported else train)
        ),
        "talkers never seen, GRID sentences": talkers(grid_sentences(40, seed), seed + 500),
        "strangers, GRID sentences": strangers(args.others, reported),
        "talkers never seen, other sentences": talkers(SENTENCES[half:] if reported else SENTENCES[:half], seed),
        "s1, the words in another order (train)": shuffled(train, seed),
        "s1 backwards (train)": (clip.crops[::-1].copy() for clip in train),
        "s1 idle for 3 to 10 s (train)": idle(train),
    }
    print(f"model {args.model}, limit {model.spec.surprise_limit:g}, the half {args.half}\n")
    print("| clips | number | read as words | marked | of those read | familiarity, median |")
    print("|---|---|---|---|---|---|")
    for name, clips in sets.items():
        print(measure(name, model, clips), flush=True)


if __name__ == "__main__":
    main()
