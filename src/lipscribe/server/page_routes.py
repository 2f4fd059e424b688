"""What the page asks for beyond the API: which words a model knows, the mouths as one picture, other formats."""

import threading
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from lipscribe.models.spec import load_spec
from lipscribe.mouth import CROP_SIZE
from lipscribe.server.bodies import JsonRoute
from lipscribe.server.errors import ApiError
from lipscribe.server.opening import Clip, extract
from lipscribe.server.reading import FromChild, clip_of, parse_reading
from lipscribe.server.service import Service
from lipscribe.server.told import checking
from lipscribe.server.transcriptions import unless_client_leaves
from lipscribe.server.uploads import receive_upload
from lipscribe.transcript import WRITERS, Alternative, Segment, Transcript, Word
from lipscribe.units import Seconds
from lipscribe.zoo.registry import find_model

router = APIRouter(prefix="/page", include_in_schema=False, route_class=JsonRoute)

COLUMNS = 16  # crops in a row of the sheet
MAX_SHEET: Seconds = 60.0  # of a longer video browsers would hold a picture of hundreds of megabytes
WEBP_QUALITY = 80
_SLACK: Seconds = 0.01  # by which a word may stand out of its segment
MAX_WORDS, MAX_SEGMENTS, MAX_SPEAKERS = 20_000, 5000, 8  # of a transcript; the last of a moment

_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Alternative(BaseModel):
    word: str
    probability: _Number = 0.0


class _Word(BaseModel):
    word: str
    start: _Number
    end: _Number
    probability: _Number = 1.0
    alternatives: Annotated[list[_Alternative], Field(fail_fast=True, max_length=100)] = []


class _Segment(BaseModel):
    text: str
    start: _Number
    end: _Number
    familiarity: _Number | None = None


class Verbose(BaseModel):
    """A transcript as verbose_json has it, with words and segments; words may have been corrected since."""

    # One fault is told: of millions the list alone would take the server half a minute.
    words: Annotated[list[_Word], Field(fail_fast=True, max_length=MAX_WORDS)]
    segments: Annotated[list[_Segment], Field(fail_fast=True, max_length=MAX_SEGMENTS)]
    model: str | None = None
    duration: _Number | None = None
    face_coverage: _Number | None = None
    warnings: Annotated[list[str], Field(fail_fast=True, max_length=1000)] = []

    def to_transcript(self) -> Transcript:
        """The transcript, in which a segment's text is that of its words.

        Raises:
            ApiError: The same words are in many segments.
        """
        segments, left = [], MAX_SPEAKERS * len(self.words)
        starts = np.array([word.start for word in self.words])
        ends = np.array([word.end for word in self.words])
        for each in self.segments:
            inside = np.flatnonzero((starts >= each.start - _SLACK) & (ends <= each.end + _SLACK))
            if (left := left - len(inside)) < 0:
                raise ApiError(400, f"over {MAX_SPEAKERS} segments have the same words: send each once", "segments")
            words = tuple(_to_word(self.words[idx]) for idx in inside)
            text = " ".join(word.text for word in words) or each.text
            segments.append(Segment(text, each.start, each.end, words, None, each.familiarity))
        return Transcript(
            tuple(segments), None, self.model, self.duration, self.face_coverage, warnings=tuple(self.warnings)
        )


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    """`/v1/models`, and of each with a closed vocabulary its words, of one of phrases these."""
    service: Service = request.app.state.service

    def describe() -> list[dict[str, Any]]:
        return [row | _vocabulary(row["id"]) for row in service.models.describe()]

    return {"object": "list", "data": await service.small(describe)}


@router.post("/transcripts")
def format_transcript(verbose: Verbose, format: str) -> Response:
    """A transcript in another format, so that a video is not read again for each."""
    if format not in WRITERS:
        raise ApiError(400, f"format is {format[:20]!r}: give one of {', '.join(WRITERS)}", "format")
    return Response(WRITERS[format](verbose.to_transcript()), media_type="text/plain; charset=utf-8")


@router.post("/mouths")
async def draw_sheet(request: Request) -> Response:
    """The crops that the network gets: one for each frame of the video, row by row, black where there is no face."""
    import cv2

    service: Service = request.app.state.service
    async with receive_upload(request, service) as upload:
        reading = parse_reading(upload.fields)
        model = await service.small(lambda: service.models.get(reading.model))
        clip = clip_of(upload.file, reading, model, service)
        clip = clip._replace(max_duration=min(MAX_SHEET, clip.max_duration))
        job = service.job(lambda stop: _crops(clip, service, stop))
        crops = await unless_client_leaves(request, service, job)
    rows = -(-len(crops) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, CROP_SIZE, CROP_SIZE), np.uint8)
    sheet[: len(crops)] = crops
    sheet = sheet.reshape(rows, COLUMNS, CROP_SIZE, CROP_SIZE).swapaxes(1, 2).reshape(rows * CROP_SIZE, -1)
    picture = cv2.imencode(".webp", sheet, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1].tobytes()
    shape = {"Fps": f"{clip.fps:g}", "Columns": str(COLUMNS), "Frames": str(len(crops))}
    headers = {f"X-Lipscribe-{name}": value for name, value in shape.items()}
    return Response(picture, media_type="image/webp", headers=headers)


def _crops(clip: Clip, service: Service, stop: threading.Event) -> np.ndarray:
    """(T, 96, 96) uint8, for each frame of the video."""
    with service.children.call(extract, clip, stop=stop) as call:
        mouths = FromChild(call, clip.max_frames, stop)
        cut = [crop for _, crop in mouths.crops()]
        num_frames = mouths.first_frame + mouths.summary().num_frames
    with checking():
        crops = np.zeros((num_frames, CROP_SIZE, CROP_SIZE), np.uint8)
        frames = [mouths.first_frame + idx for run in mouths.runs for idx in range(run.start, run.stop)]
        crops[sorted(frames)] = np.stack(cut)
        return crops


def _vocabulary(name: str) -> dict[str, list[str] | None]:
    spec = load_spec(find_model(name))
    if spec.phrases is not None:
        return {"phrases": list(spec.phrases.texts), "words": None}
    return {"phrases": None, "words": list(spec.tokenizer.vocab[1:]) if spec.card.closed_vocabulary else None}


def _to_word(word: _Word) -> Word:
    others = tuple(Alternative(other.word, other.probability) for other in word.alternatives)
    return Word(word.word, word.start, word.end, word.probability, others)
