"""Are words that look alike on the lips told apart? They must not be: then the synthetic talker would leak.

    python benchmarks/homophenes.py sentences > words.txt
    lipscribe talk --corpus words.txt --speakers 40 --seed 2 -o words/
    lipscribe prepare grid --root words/ --output prepared-words/
    lipscribe train homophenes
    python benchmarks/homophenes.py matrix runs/homophenes/last prepared-words/ --output docs/pictures/homophenes.png

Sentences are five words drawn at random, so nothing but the picture tells which word it is.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

# Words that differ in their first sound only.
RHYMES = {
    "at": "bat pat mat fat vat that gnat cat rat sat chat hat",
    "ay": "bay pay may they day nay lay ray way say jay hay",
    "eat": "beat peat meat feet neat cheat seat wheat heat",
    "ill": "bill pill mill fill dill till nil kill will chill sill hill",
    "ole": "bowl pole mole foal dole toll knoll coal goal roll hole",
}
CLASSES = {
    "b": "bilabial",
    "p": "bilabial",
    "m": "bilabial",
    "f": "labiodental",
    "v": "labiodental",
    "th": "dental",
    "t": "alveolar",
    "d": "alveolar",
    "n": "alveolar",
    "l": "lateral",
    "s": "sibilant",
    "ch": "postalveolar",
    "j": "postalveolar",
    "k": "velar",
    "g": "velar",
    "h": "glottal",
    "r": "rhotic",
    "w": "labiovelar",
}
SOUNDS = list(CLASSES)


def first_sound(word: str) -> str:
    """Of one of the words above: "knoll" -> "n"."""
    word = {"gnat": "nat", "knoll": "noll", "wheat": "weat", "cat": "kat", "coal": "kole"}.get(word, word)
    return next(sound for sound in sorted(SOUNDS, key=len, reverse=True) if word.startswith(sound))


def sentences(number: int, seed: int) -> list[str]:
    words = sorted(word for row in RHYMES.values() for word in row.split())
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, 5, replace=False)) for _ in range(number)]


def confusions(model_folder: Path, prepared: Path, splits: list[str]) -> Counter[tuple[str, str]]:
    """How often each first sound was taken for each: for every word, at its known time, the likeliest word counts."""
    from lipscribe.data.shards import find_shards, read_shard
    from lipscribe.pipeline import load_model

    model = load_model(model_folder)
    fps, words = model.spec.input.fps, model.tokenizer.vocab[1:]
    counts: Counter[tuple[str, str]] = Counter()
    for split in splits:
        for shard in find_shards(prepared, split):
            for clip in read_shard(shard):
                log_probs = model.log_probs(clip.crops)[:, 1:]  # without the blank: (T, words)
                for word in clip.clip.words:
                    during = log_probs[
                        round(word.start * fps) : max(round(word.end * fps), round(word.start * fps) + 1)
                    ]
                    counts[first_sound(word.text), first_sound(words[int(during.mean(0).argmax())])] += 1
    return counts


def draw(counts: Counter[tuple[str, str]], path: Path) -> None:
    from lipscribe.figures import FAINT, INK, MUTED, Page

    matrix = np.array([[counts[a, b] for b in SOUNDS] for a in SOUNDS], float)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    page = Page(8.2, 8.4)
    page.text(0.4, 0.3, "First sound said (rows) and read (columns)", size=14, weight="bold")
    page.text(0.4, 0.62, "share of each row; boxes are the classes that look alike", size=10, color=MUTED)
    axes = page.axes(0.8, 1.2, 7.0, 7.0 * 0.98)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(shares.shape):
        if matrix[row, column]:
            color = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{shares[row, column]:.0%}"[:-1], ha="center", va="center", fontsize=8, color=color)
    axes.set(xticks=range(len(SOUNDS)), yticks=range(len(SOUNDS)), xticklabels=SOUNDS, yticklabels=SOUNDS)
    axes.xaxis.tick_top()
    start = 0
    for i in range(1, len(SOUNDS) + 1):
        if i == len(SOUNDS) or CLASSES[SOUNDS[i]] != CLASSES[SOUNDS[start]]:
            axes.plot(*zip(*_box(start, i), strict=True), color="#d55e00", linewidth=1.4)
            start = i
    axes.set(xlim=(-0.5, len(SOUNDS) - 0.5), ylim=(len(SOUNDS) - 0.5, -0.5), facecolor=FAINT)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def _box(start: int, stop: int) -> list[tuple[float, float]]:
    low, high = start - 0.5, stop - 0.5
    return [(low, low), (high, low), (high, high), (low, high), (low, low)]


def report(counts: Counter[tuple[str, str]]) -> None:
    for name in dict.fromkeys(CLASSES.values()):
        members = [sound for sound in SOUNDS if CLASSES[sound] == name]
        total = sum(n for (said, _), n in counts.items() if said in members)
        right = sum(counts[sound, sound] for sound in members)
        inside = sum(counts[a, b] for a in members for b in members) - right
        shares = [n / max(total, 1) for n in (right, inside, total - right - inside)]
        print(f"{name:13s} {' '.join(members):7s} {total:4d} said: ", end="")
        print("{:4.0%} right, {:4.0%} as another of the class, {:4.0%} as another class".format(*shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("sentences")
    make.add_argument("--number", type=int, default=600)
    make.add_argument("--seed", type=int, default=1)
    show = commands.add_parser("matrix")
    show.add_argument("model", type=Path)
    show.add_argument("prepared", type=Path)
    show.add_argument("--output", type=Path, default=Path("homophenes.png"))
    args = parser.parse_args()
    if args.command == "sentences":
        print("\n".join(sentences(args.number, args.seed)))
        return
    counts = confusions(args.model, args.prepared, ["dev", "test"])
    report(counts)
    draw(counts, args.output)
    print(args.output)


if __name__ == "__main__":
    main()
