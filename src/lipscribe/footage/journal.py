"""What is known of films so far, a line for each finished piece, so that a stopped run resumes."""

import base64
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.atomic import write_text
from lipscribe.data.journal import check_header
from lipscribe.errors import ManifestError
from lipscribe.footage.analysis import Found, FoundClip
from lipscribe.footage.subtitles import Dropped
from lipscribe.plain_data import parse_json
from lipscribe.schema import from_dict

LOOKS_KEPT = 4  # of each person and piece, 3 KB each


class FootageJournal:
    """A file with a header of options and a line for each piece.

    Only where its lines begin is held in memory.

    Args:
        path, how: See `data.journal.open_journal`.
    """

    def __init__(self, path: Path, how: dict[str, Any]):
        self.path = path
        self._lines: dict[tuple[str, str], int] = {}
        if not path.exists():
            write_text(path, json.dumps(how) + "\n")
        with path.open("rb") as file:
            check_header(path, file.readline(), how)
            at = file.tell()
            for line in file:
                if line.endswith(b"\n"):  # else it was interrupted, and is repeated
                    film, piece, _ = parse_json(line)
                    self._lines[film, piece] = at
                    at += len(line)
        with path.open("r+b") as file:
            file.truncate(at)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._lines

    def add(self, film: str, piece: str, found: Found) -> None:
        """Adds what a piece holds."""
        looks = {
            str(person): base64.b64encode(some[:LOOKS_KEPT].astype(np.float16).tobytes()).decode()
            for person, some in found.looks.items()
        }
        record = {
            "clips": [asdict(clip) for clip in found.clips],
            "dropped": [asdict(one) for one in found.dropped],
            "looks": looks,
        }
        with self.path.open("ab") as file:
            at = file.tell()
            file.write(json.dumps([film, piece, record]).encode() + b"\n")
        self._lines[film, piece] = at

    def read(self, film: str, piece: str) -> Found:
        """What a piece holds.

        Raises:
            ManifestError: Its line is damaged.
        """
        with self.path.open("rb") as file:
            file.seek(self._lines[film, piece])
            _, _, record = parse_json(file.readline())
        try:
            clips = [from_dict(FoundClip, clip, "a clip", ValueError) for clip in record["clips"]]
            if not all(0 <= clip.start <= clip.end < math.inf for clip in clips):
                raise ValueError("a clip ends before it starts")
            return Found(
                clips,
                [from_dict(Dropped, one, "a cue", ValueError) for one in record["dropped"]],
                {
                    int(person): np.frombuffer(base64.b64decode(some), np.float16).astype(np.float32).reshape(-1, 1280)
                    for person, some in record["looks"].items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(
                f"{self.path} is damaged where it has {piece} of {film} ({error}): delete it, or set another --output"
            ) from None
