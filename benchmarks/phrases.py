"""How well phrases of any words are told apart: `python benchmarks/phrases.py --base grid-s1`.

Talkers that no model has seen say 20 phrases, some of them recorded, and 20 other sentences, and are still. With
`--prepared FOLDER` (of `lipscribe prepare`, with word times) words of real people are cut out of their clips too.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lipscribe import crop_mouth, load_model, track_faces
from lipscribe.data.shards import find_shards, read_shard
from lipscribe.faces.track import longest_run
from lipscribe.phrase_model import phrase_features
from lipscribe.search.phrases import PhraseMatcher, trim_recording
from lipscribe.talker import Talker

PHRASES = (
    "lights on",
    "lights off",
    "open the front door",
    "lock the door",
    "start the coffee machine",
    "i need a break",
    "leave me alone please",
    "where is my phone",
    "send a message to my brother",
    "what is the weather like",
    "happy birthday",
    "never mind",
    "go back",
    "next page",
    "louder",
    "turn the heating down",
    "read me the news",
    "i do not understand",
    "could you say that again",
    "my back hurts",
)
OTHERS = (
    "the train leaves at nine",
    "she bought a red coat",
    "we had fish for dinner",
    "put the box over there",
    "nobody knows the answer",
    "it rained all week",
    "his car broke down",
    "the garden looks lovely",
    "they moved to another town",
    "a dog ran across the road",
    "maybe later",
    "i forgot my keys",
    "the movie was boring",
    "bring your own cup",
    "turn left at the corner",
    "call me back",
    "what did he say",
    "good idea",
    "open your book",
    "some people never learn",
)
TAKES, STILL = 5, 5  # of each phrase, three to learn from and two to read; and films of a mouth that is still
SLOTS = {"command": 0, "digit": 4, "adverb": 5}  # of GRID's sentences
CONTEXT = 3  # frames left before and after a word that is cut out

Clips = dict[str, np.ndarray]
"""Crops (T, 96, 96) uint8 by name: p03_1 is take 1 of phrase 3, o and s are others and still."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", action="append", help="a model; may be repeated (default: grid-s1)")
    parser.add_argument("--states", choices=("frontend", "encoder"), action="append")
    parser.add_argument("--people", type=int, default=3, help="talkers")
    parser.add_argument("--seed", type=int, default=910001, help="of the first")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the talkers' crops")
    parser.add_argument("--prepared", type=Path, help="of real people, with word times")
    parser.add_argument("--split", default="train")
    args = parser.parse_args()
    print("right, among three: of the phrases read; wrong, missed: the rest; other, still: of these, read as a phrase")
    people = [drawn(args.seed + number, args.cache) for number in range(args.people)]
    words = real_words(args.prepared, args.split) if args.prepared else {}
    for base in args.base or ["grid-s1"]:
        model = load_model(base, threads=1)
        for states in args.states or ["frontend", "encoder"]:
            see = partial(phrase_features, model, states=states)
            for number in (1, 3):
                show(f"{base} {states} talkers {number}", [talkers_row(see, clips, number) for clips in people])
            for kind, by_speaker in words.items():
                for number in (1, 3):
                    rows = [row for clips in by_speaker.values() for row in words_rows(see, clips, number)]
                    show(f"{base} {states} {kind}, {len(by_speaker)} people, {number}", rows)


def show(name: str, rows: Sequence[np.ndarray]) -> None:
    """A line of the table; rows of counts: see `count`."""
    if not rows:
        return
    read, right, three, missed, others, accepted, still, moved, seconds, claimed = np.sum(rows, axis=0)
    line = f"{name:42s} n {read:4.0f}  right {right / read:6.1%}  among three {three / read:6.1%}"
    line += f"  wrong {(read - right - missed) / read:6.1%}  missed {missed / read:6.1%}"
    line += f"  other {accepted / others:6.1%} of {others:.0f}" if others else ""
    line += f"  still {moved:.0f} of {still:.0f}" if still else ""
    line += f"  said to be right {claimed / max(read - missed, 1):.1%}, are {right / max(read - missed, 1):.1%}"
    print(f"{line}  {1000 * seconds / (read + others + still):.0f} ms a clip", flush=True)


def talkers_row(see: Callable[[np.ndarray], np.ndarray], clips: Clips, number: int) -> np.ndarray:
    """Counts for one talker, who recorded each phrase `number` times."""
    seen = {name: see(crops) for name, crops in clips.items()}
    learnt = [(name, seen[name]) for name in seen if name[0] == "p" and int(name[-1]) < number]
    read = [(int(name[1:3]), seen[name]) for name in seen if name[0] == "p" and int(name[-1]) >= 3]
    matcher = fitted([(int(name[1:3]), features) for name, features in learnt])
    return count(matcher, read, [seen[name] for name in seen if name[0] == "o"], [seen[n] for n in seen if n[0] == "s"])


def words_rows(
    see: Callable[[np.ndarray], np.ndarray], clips: dict[str, list[np.ndarray]], number: int
) -> Iterable[np.ndarray]:
    """Counts for one person's words: five draws of which are recorded."""
    seen = {word: [see(crops) for crops in some] for word, some in clips.items() if len(some) > number}
    if len(seen) < 2:
        return
    for draw in range(5):
        rng = np.random.default_rng(draw)
        learnt, read = [], []
        for idx, word in enumerate(sorted(seen)):
            for place, take in enumerate(rng.permutation(len(seen[word]))):
                (learnt if place < number else read).append((idx, seen[word][take]))
        yield count(fitted(learnt), read, [], [])


def fitted(learnt: Sequence[tuple[int, np.ndarray]]) -> PhraseMatcher:
    """A matcher of recordings, by number of the phrase."""
    trimmed = [trim_recording(features) for _, features in learnt]
    recordings = [part if len(part) else features for part, (_, features) in zip(trimmed, learnt, strict=True)]
    numbers = [number for number, _ in learnt]
    return PhraseMatcher([str(number) for number in range(max(numbers) + 1)], recordings, numbers)


def count(
    matcher: PhraseMatcher,
    read: Sequence[tuple[int, np.ndarray]],
    others: Sequence[np.ndarray],
    still: Sequence[np.ndarray],
) -> np.ndarray:
    """Phrases read, right, right among the best three phrases, and read as nothing; others, and read as a phrase; still
    mouths, and read as a phrase; seconds; the sum of the probabilities of the phrases read."""
    right = three = missed = 0
    claimed = 0.0
    started = time.process_time()
    for number, features in read:
        found = matcher.search(features, nbest=len(matcher.texts) + 1)
        right += found[0].text == str(number)
        missed += not found[0].text
        claimed += found[0].posterior if found[0].text else 0
        three += str(number) in [each.text for each in found if each.text][:3]
    accepted, moved = (sum(bool(matcher.search(each)[0].text) for each in some) for some in (others, still))
    seconds = time.process_time() - started
    return np.array([len(read), right, three, missed, len(others), accepted, len(still), moved, seconds, claimed])


def drawn(seed: int, cache: Path | None) -> Clips:
    """A talker's clips."""
    path = cache / f"{seed}.npz" if cache else None
    if path and path.exists():
        with np.load(path) as arrays:
            return dict(arrays)
    talker, rng = Talker(seed), np.random.default_rng(seed)
    names = [(f"p{idx:02d}_{take}", text) for idx, text in enumerate(PHRASES) for take in range(TAKES)]
    names += [(f"o{idx:02d}_0", text) for idx, text in enumerate(OTHERS)]
    clips: Clips = {}
    for take, (name, text) in enumerate(names, 1):
        clip = talker.say(text, take=take)
        if rng.random() < 0.6:  # with a longer silence
            clip = talker.say(text, take=take, duration=clip.duration + rng.uniform(0, 1.2))
        clips[name] = cropped(clip.frames)
    for number in range(STILL):
        clip = talker.say("hello", take=len(names) + number + 1, duration=5.0)
        stop = int((clip.words[0].start - 0.3) * clip.fps)
        clips[f"s{number:02d}_0"] = cropped(clip.frames[:stop])
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **clips)
    return clips


def cropped(frames: np.ndarray) -> np.ndarray:
    return crop_mouth(frames, longest_run(track_faces(frames))[0])


def real_words(folder: Path, split: str) -> dict[str, dict[str, dict[str, list[np.ndarray]]]]:
    """Crops of words by kind, speaker and word."""
    found: dict[str, dict[str, dict[str, list[np.ndarray]]]] = {kind: {} for kind in SLOTS}
    for shard in find_shards(folder, split):
        for prepared in read_shard(shard):
            for kind, slot in SLOTS.items():
                word = prepared.clip.words[slot]
                start, stop = max(0, round(word.start * 25) - CONTEXT), round(word.end * 25) + CONTEXT
                by_word = found[kind].setdefault(prepared.clip.speaker, defaultdict(list))
                by_word[word.text].append(prepared.crops[start:stop])
    return found


if __name__ == "__main__":
    main()
