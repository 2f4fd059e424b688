"""Which letters of GRID's sentences are read as which, beside how they look on the lips.

    python benchmarks/letters.py prepared/ --model grid --output docs/pictures/letters.png

A development split has four of each letter, too few to count errors by. So the picture shows the probability that the
reader gives to each letter, the mean over those four: what it hesitates between, also where it is right.
"""

import argparse
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.data.corpora.grid import SLOTS
from lipscribe.data.shards import find_shards, read_shard
from lipscribe.model import Model
from lipscribe.search import SearchOptions
from lipscribe.talker.homophenes import visemes_of

PLACE = 3
# By the vowel that the letter's name ends or begins with, then by the consonant: those that look alike are neighbours.
ORDER = list("bpvdtgczeahkjfxslmniyoruq")


def read(model: Model, folder: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(25, 25) mean probability of each letter read, a row for each letter said; (25,) right, (25,) said."""
    letters = sorted(SLOTS[PLACE])
    options = SearchOptions(beam_size=100, alternatives=len(letters))
    given, said, right = np.zeros((25, 25)), np.zeros(25), np.zeros(25)
    for prepared in (clip for shard in find_shards(folder, split) for clip in read_shard(shard)):
        words = model.search(model.encode(prepared.crops), options)[0].words
        if len(words) != len(SLOTS):
            continue
        row = ORDER.index(prepared.clip.text.split()[PLACE])
        said[row] += 1
        right[row] += words[PLACE].text == ORDER[row]
        weighed = {words[PLACE].text: words[PLACE].probability}
        weighed |= {other.text: other.probability for other in words[PLACE].alternatives if other.text in ORDER}
        for text, probability in weighed.items():
            given[row, ORDER.index(text)] += probability / sum(weighed.values())
    return given / np.maximum(said, 1)[:, None], right, said


def draw(given: np.ndarray, path: Path) -> None:
    from lipscribe.figures import ACCENT, INK, MUTED, Page

    page = Page(8.2, 7.6)
    page.text(0.5, 0.3, "Which letter the reader thinks it sees", size=14, weight="bold")
    page.text(0.5, 0.62, "mean probability given to each letter (columns) where a letter was said (rows);", color=MUTED)
    page.text(0.5, 0.82, "frames: letters of one visual form, which no picture tells apart", color=MUTED)
    axes = page.axes(1.0, 1.5, 5.9, 5.6)
    image = axes.imshow(given, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(xticks=range(25), yticks=range(25), xticklabels=ORDER, yticklabels=ORDER)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=INK)
    looks = [visemes_of(f"{letter}.") for letter in ORDER]
    for i in range(25):
        for j in range(25):
            if looks[i] == looks[j] and i != j:
                axes.add_patch(_frame(j, i, ACCENT))
    bar = page.axes(7.15, 1.5, 0.18, 5.6)
    axes.figure.colorbar(image, cax=bar)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def _frame(x: int, y: int, color: str):
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=1.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="prepared folder of GRID")
    parser.add_argument("--model", default="grid")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--output", type=Path, default=Path("docs/pictures/letters.png"))
    args = parser.parse_args()
    given, right, said = read(lipscribe.load_model(args.model), args.folder, args.split)
    sure = sorted(range(25), key=lambda i: -given[i, i])
    print("letter  right of said  probability given to it  most often taken for")
    for i in sure:
        others = sorted((j for j in range(25) if j != i), key=lambda j: -given[i, j])[:3]
        taken = ", ".join(f"{ORDER[j]} {given[i, j]:.0%}" for j in others if given[i, j] > 0.03)
        print(f"{ORDER[i]:6s}  {right[i]:.0f} of {said[i]:.0f}         {given[i, i]:.0%}   {taken}")
    alike = [visemes_of(f"{letter}.") for letter in ORDER]
    homophene = sum(given[i, j] for i in range(25) for j in range(25) if i != j and alike[i] == alike[j])
    wrong = given.sum() - np.trace(given)
    print(f"of the probability given to wrong letters, {homophene / wrong:.0%} goes to letters of the same visual form")
    draw(given, args.output)
    print(args.output)


if __name__ == "__main__":
    main()
