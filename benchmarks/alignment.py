"""How far are aligned words from where they are said?

    python benchmarks/alignment.py prepared/ --model grid --limit 100

Of clips whose word times are known, the error of each word's start and end: where CTC emits the words (the best path),
where they are said by `lipscribe align` and all searches (`search.align.extents`), and as `train` guesses them from
movement, before any model has seen the clips.
"""

import argparse
from pathlib import Path

import numpy as np

from lipscribe.data.dataset import ShardDataset
from lipscribe.data.manifest import WordTime
from lipscribe.pipeline import load_model
from lipscribe.search.align import align, align_text
from lipscribe.training.alignment import guess_word_times
from lipscribe.units import MODEL_FPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="prepared folder of clips with word times")
    parser.add_argument("--model", default="grid", help="name or folder of a model with a CTC head")
    parser.add_argument("--split", default="train")
    parser.add_argument("--limit", type=int, help="so many clips only")
    args = parser.parse_args()

    model = load_model(args.model)
    size = model.spec.input
    clips = ShardDataset(
        {str(args.prepared): args.limit}, args.split, model.tokenizer, size.height, size.width, seed=1
    ).clips()
    found: dict[str, list[float]] = {"emitted by CTC": [], "aligned": [], "guessed from movement": []}
    confidences = []
    for _, prepared in clips:
        clip, log_probs = prepared.clip, model.log_probs(prepared.crops)
        tokens = model.tokenizer.encode(clip.text)
        spans = align(log_probs, tokens).spans
        emitted = [
            (spans[word.start].start / MODEL_FPS, spans[word.stop - 1].end / MODEL_FPS)
            for word in model.tokenizer.split_words(tokens)
        ]
        words = align_text(log_probs, clip.text, model.tokenizer)
        aligned = [(word.start / MODEL_FPS, word.end / MODEL_FPS) for word in words]
        guessed = [(word.start, word.end) for word in guess_word_times(prepared)]
        for errors, times in zip(found.values(), (emitted, aligned, guessed), strict=True):
            errors += bounds_off(times, clip.words)
        confidences.append(np.mean([word.probability for word in words]))
    for name, errors in found.items():
        off = np.abs(errors)
        near = [f"{share:.0%} within {ms} ms" for ms in (40, 80) for share in [np.mean(off <= ms / 1000 + 1e-6)]]
        print(f"{name:22s} {1000 * off.mean():4.0f} ms off on average, {', '.join(near)}")
    print(f"confidence {np.mean(confidences):.2f} on average of {len(confidences)} clips")


def bounds_off(times: list[tuple[float, float]], words: tuple[WordTime, ...]) -> list[float]:
    """Seconds from each true start and end."""
    pairs = zip(times, words, strict=True)
    return [off for (start, end), word in pairs for off in (start - word.start, end - word.end)]


if __name__ == "__main__":
    main()
