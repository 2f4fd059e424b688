"""The video of an explanation: the face, next to it the mouth with the evidence for the word, and the words below."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from lipscribe.explain.explanation import ExplainedStretch, ExplainedWord, Explanation
from lipscribe.explain.pictures import heat_over, seen_box, strongest_heat
from lipscribe.figures import INK, MUTED, WARM, rgb
from lipscribe.storyboard import caption_frames
from lipscribe.units import frame_to_seconds

HEIGHT, MAX_FACE_WIDTH = 360, 640  # px, of the face and the mouth
STRIP_HEIGHT = 44  # px, of the frames that matter for the word
NO_MOUTH_GREY = 40  # where no word is explained
SPAN = "#d6e4f5"


def draw_video(explanation: Explanation) -> Iterator[np.ndarray]:
    """Draws the frames, (H, W, 3) uint8 RGB: one per frame of the video, from the first word's stretch on."""
    first = min(stretch.first_frame for stretch in explanation.stretches)
    offset = frame_to_seconds(first, explanation.fps)
    spoken = [word.word for word in explanation.words]
    words = [replace(word, start=word.start - offset, end=word.end - offset) for word in spoken]
    yield from caption_frames(_pictures(explanation, first), words, explanation.fps)


def _pictures(explanation: Explanation, first: int) -> Iterator[np.ndarray]:
    stretches, fps = explanation.stretches, explanation.fps
    last = max(stretch.first_frame + stretch.num_frames for stretch in stretches)
    scales = {id(word): strongest_heat(word.saliency) for word in explanation.words}
    mouth_width = HEIGHT * stretches[0].pictures.shape[2] // stretches[0].pictures.shape[1]
    for frame_idx, frame in enumerate(explanation.video):
        if frame_idx >= last:
            return
        if frame_idx < first:
            continue
        stretch, word = _current(stretches, frame_idx, fps)
        mouth = np.full((HEIGHT, mouth_width, 3), NO_MOUTH_GREY, np.uint8)
        strip = np.full((STRIP_HEIGHT, 1, 3), 255, np.uint8)
        if stretch is not None and word is not None:
            at = frame_idx - stretch.first_frame
            heat = heat_over(stretch.pictures[at], word.saliency[at] / scales[id(word)])
            mouth = cv2.resize(heat, (mouth_width, HEIGHT), interpolation=cv2.INTER_CUBIC)
            frame = _with_box(frame, seen_box(stretch, at))
        face = _face(frame)
        width = face.shape[1] + mouth_width
        if stretch is not None and word is not None:
            strip = _strip(width, stretch, word, frame_idx - stretch.first_frame, fps)
        else:
            strip = np.repeat(strip, width, axis=1)
        yield np.concatenate([np.concatenate([face, mouth], axis=1), strip])


def _current(
    stretches: tuple[ExplainedStretch, ...], frame_idx: int, fps: float
) -> tuple[ExplainedStretch | None, ExplainedWord | None]:
    """The word that is nearest in time, and its stretch."""
    now = frame_to_seconds(frame_idx + 0.5, fps)
    there = [
        (max(word.word.start - now, now - word.word.end, 0.0), n, stretch, word)
        for n, stretch in enumerate(stretches)
        if stretch.first_frame <= frame_idx < stretch.first_frame + stretch.num_frames
        for word in stretch.words
    ]
    return min(there, key=lambda one: one[:2])[2:] if there else (None, None)


def _with_box(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    frame = frame.copy()
    thickness = max(1, round(frame.shape[0] / 250))
    cv2.polylines(frame, [np.round(box).astype(np.int32)], True, (255, 255, 255), thickness, cv2.LINE_AA)
    return frame


def _face(frame: np.ndarray) -> np.ndarray:
    """The frame scaled to the output's height, or a very wide one to its width on black."""
    height, width = frame.shape[:2]
    scale = min(HEIGHT / height, MAX_FACE_WIDTH / width)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    above = (HEIGHT - size[1]) // 2
    return np.pad(scaled, ((above, HEIGHT - size[1] - above), (0, 0), (0, 0)))


def _strip(width: int, stretch: ExplainedStretch, word: ExplainedWord, at: int, fps: float) -> np.ndarray:
    """The evidence by frame, the word's time in blue, and a line at the current frame."""
    strip = np.full((STRIP_HEIGHT, width, 3), 255, np.uint8)
    x = np.round(np.arange(stretch.num_frames + 1) * width / stretch.num_frames).astype(int)
    start, end = (round((time * fps - stretch.first_frame) * width / stretch.num_frames) for time in _time(word))
    strip[:, max(start, 0) : max(end, 0)] = rgb(SPAN)
    heights = word.profile / max(float(word.profile.max()), 1e-12) * (STRIP_HEIGHT - 6)
    for left, right, height in zip(x[:-1], x[1:], np.round(heights).astype(int), strict=True):
        strip[STRIP_HEIGHT - height :, left : max(right - 1, left + 1)] = rgb(WARM)
    cv2.line(strip, (x[at], 0), (x[at], STRIP_HEIGHT), rgb(INK), 2)
    cv2.putText(strip, "frames that mattered", (8, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, rgb(MUTED), 1, cv2.LINE_AA)
    return strip


def _time(word: ExplainedWord) -> tuple[float, float]:
    return word.word.start, word.word.end
