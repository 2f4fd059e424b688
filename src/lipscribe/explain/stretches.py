"""The stretches of a video that are explained: a run of a face, or a part of one, with the words read there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.model import Model
from lipscribe.models.encoder_specs import NEARBY, WindowSizes
from lipscribe.mouth import CropKind, stream_all_crops
from lipscribe.pipeline import read_runs, to_transcript
from lipscribe.search import Hypothesis, Span
from lipscribe.tokenizer import TokenWord
from lipscribe.transcript import Word

MAX_FRAMES = NEARBY.decoder_piece  # of the words of one stretch that no decoder read: 6 s
MAX_WORDS = 12  # of one stretch, which become the rows of a page


@dataclass(frozen=True)
class Stretch:
    """Words to be explained together.

    Attributes:
        run: The face, without gaps.
        seen: Frames of the run that the network is shown again: the stretch, and what the network needs around it.
        shown: Frames of the run that the stretch is: the words, and a little around them.
        words: As in the transcript, in order.
        tokens: Of the words.
        spans: Frames of each token, from the beginning of `shown`.
        parts: The slice of `tokens` that spells each word.
    """

    run: FaceTrack
    seen: Span
    shown: Span
    words: tuple[Word, ...]
    tokens: tuple[int, ...]
    spans: tuple[Span, ...]
    parts: tuple[TokenWord, ...]

    @property
    def first_frame(self) -> int:
        """Frame of the video in which the stretch begins."""
        return self.run.start + self.shown.start

    @property
    def num_frames(self) -> int:
        """How long it is."""
        return self.shown.end - self.shown.start

    @property
    def part(self) -> slice:
        """`shown` within `seen`."""
        return slice(self.shown.start - self.seen.start, self.shown.end - self.seen.start)


def read_stretches(model: Model, frames: Iterable[np.ndarray], runs: list[FaceTrack]) -> Iterator[Stretch]:
    """Reads the words of all runs, just as `Model.transcribe` does, and cuts them into stretches."""
    for run, (start, stop, found) in read_runs(model, frames, runs):
        if found[0].words:
            yield from _cut(model, run, Span(start, stop), found[0])


def _cut(model: Model, run: FaceTrack, piece: Span, hypothesis: Hypothesis) -> Iterator[Stretch]:
    """A piece of a run in stretches; in one where it has a decoder, whose every word depends on those before."""
    read = to_transcript(hypothesis, model.spec.input.fps, run.start + piece.start).words
    parts = model.tokenizer.split_words(hypothesis.tokens)
    spans = [Span(piece.start + span.start, piece.start + span.end) for span in hypothesis.spans]
    if not model.spec.ctc:
        yield _stretch(model.windows, run, piece, read, hypothesis.tokens, spans, parts)
        return
    extents = [Span(spans[part.start].start, spans[part.stop - 1].end) for part in parts]
    groups = group_words(extents) if model.spec.decoder is None else [slice(0, len(extents))]
    context = model.windows.context
    middles = [(extents[left.stop - 1].end + extents[right.start].start) // 2 for left, right in pairwise(groups)]
    for group, start, end in zip(groups, [piece.start, *middles], [*middles, piece.end], strict=True):
        first, last = parts[group.start].start, parts[group.stop - 1].stop
        first_word, last_word = extents[group.start], extents[group.stop - 1]
        shown = Span(max(start, first_word.start - context), min(end, last_word.end + context))
        moved = [TokenWord(word.text, word.start - first, word.stop - first) for word in parts[group]]
        yield _stretch(model.windows, run, shown, read[group], hypothesis.tokens[first:last], spans[first:last], moved)


def group_words(extents: Sequence[Span]) -> list[slice]:
    """Cuts words into groups of at most 12 words and 6 s (a longer word is one by itself), the longest pause first."""
    whole = slice(0, len(extents))
    fits = len(extents) <= MAX_WORDS and extents[-1].end - extents[0].start <= MAX_FRAMES
    if fits or len(extents) == 1:
        return [whole]
    # Of the pauses in the middle half, so that a long speech does not crumble from one end.
    inner = range(max(1, len(extents) // 4), max(2, len(extents) * 3 // 4 + 1))
    cut = max(inner, key=lambda i: extents[i].start - extents[i - 1].end)
    right = [slice(group.start + cut, group.stop + cut) for group in group_words(extents[cut:])]
    return [*group_words(extents[:cut]), *right]


def _stretch(
    sizes: WindowSizes,
    run: FaceTrack,
    shown: Span,
    words: Sequence[Word],
    tokens: Sequence[int],
    spans: Sequence[Span],
    parts: Sequence[TokenWord],
) -> Stretch:
    num_frames = run.stop - run.start
    seen = Span(max(0, shown.start - sizes.context), min(num_frames, shown.end + sizes.context))
    if num_frames <= sizes.window + sizes.context:  # the reader saw it all at once
        seen = Span(0, num_frames)
    own = tuple(Span(span.start - shown.start, span.end - shown.start) for span in spans)
    return Stretch(run, seen, shown, tuple(words), tuple(tokens), own, tuple(parts))


def collect_crops(
    frames: Iterable[np.ndarray], stretches: Sequence[Stretch], kind: CropKind = "lipscribe"
) -> Iterator[tuple[Stretch, np.ndarray, np.ndarray]]:
    """Each stretch with the crops (T, 96, 96) uint8 of its `seen`, and the picture in its middle (H, W, 3) uint8.

    One pass over the video, in order of the stretches' ends; a stretch is handed on as soon as its last frame is read.
    """
    runs = list({id(stretch.run): stretch.run for stretch in stretches}.values())
    indices = {id(run): i for i, run in enumerate(runs)}
    waiting = sorted(stretches, key=lambda stretch: stretch.run.start + stretch.seen.end)
    latest: list[tuple[int, np.ndarray]] = []

    def remembered() -> Iterator[np.ndarray]:
        for frame_idx, frame in enumerate(frames):
            latest[:] = [(frame_idx, frame)]
            yield frame

    crops: dict[int, list[np.ndarray]] = {id(stretch): [] for stretch in stretches}
    pictures: dict[int, np.ndarray] = {}
    for i, crop in stream_all_crops(remembered(), runs, kind):
        frame_idx, frame = latest[0]
        for stretch in [stretch for stretch in waiting if indices[id(stretch.run)] == i]:
            at = frame_idx - stretch.run.start
            if stretch.seen.start <= at < stretch.seen.end:
                crops[id(stretch)].append(crop)
            if at == (stretch.shown.start + stretch.shown.end) // 2:
                pictures[id(stretch)] = frame
            if at == stretch.seen.end - 1:
                waiting.remove(stretch)
                yield stretch, np.stack(crops.pop(id(stretch))), pictures.pop(id(stretch))
        if not waiting:
            return
