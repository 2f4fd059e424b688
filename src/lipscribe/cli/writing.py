"""Writes the results of a video."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from lipscribe.cli.results import Format, Results
from lipscribe.cli.sources import Source
from lipscribe.transcript import CAPTIONS, WRITERS, Segment, Transcript, mark_unsure, write_transcript
from lipscribe.video import Video


@dataclass
class Writer:
    """Writes transcripts to files or stdout, and notes to stderr.

    Attributes:
        several: Results on stdout are labelled by video.
        words: Captions highlight each word while it is spoken.
        unsure_below: Words below this probability are written as `[word?]`, except in JSON.
        quiet: No notes.
    """

    results: Results
    several: bool
    words: bool
    unsure_below: float
    quiet: bool
    _printed: int = 0  # segments of the video that is being read

    def printing(self, source: Source) -> Callable[[Segment], None] | None:
        """A callback that prints each segment as it is read; None if results are not lines of text on stdout."""
        if not self.results.to_stdout or self.results.formats != (Format.txt,):
            return None
        self._printed = 0

        def show(segment: Segment) -> None:
            self._print(Transcript((segment,)), source)
            self._printed += 1

        return show

    def write_files(self, transcript: Transcript, video: Video, source: Source, stem: str) -> None:
        """Writes the result files of one video.

        Raises:
            LipscribeError: One cannot be written.
        """
        transcript = replace(transcript, source=source.name)
        for warning in transcript.warnings:
            self._say(f"warning: {source.name}: {warning}")
        if not transcript.text:
            self._say(f"note: {source.name}: no words were read")
        if self.results.to_stdout:
            return
        for format in self.results.formats:
            path = self.results.path(stem, format)
            assert path is not None  # `write_stdout` handles stdout
            if format is Format.mp4:
                from lipscribe.video.captioned import write_captioned

                write_captioned(video, self._marked(transcript, format), path)
            else:
                marked = self._marked(transcript, format)
                write_transcript(marked, format.value, path, self.words and format in CAPTIONS)
            self._say(f"{source.name} -> {path}")

    def write_stdout(self, transcript: Transcript, source: Source) -> None:
        """Writes the result of one video to stdout, if results go there."""
        if not self.results.to_stdout:
            return
        (format,) = self.results.formats
        transcript = replace(transcript, source=source.name)
        if self._printed:  # as they were read
            self._printed = 0
        elif not self.several:
            write_transcript(self._marked(transcript, format), format.value, None, self.words)
        elif format is Format.json:
            record = self._marked(transcript, format).to_dict()
            print(json.dumps(record, ensure_ascii=False), flush=True)  # JSON Lines
        else:
            self._print(transcript, source)

    def _print(self, transcript: Transcript, source: Source) -> None:
        """Prints lines of text, prefixed by the name for several videos, as grep does."""
        for line in WRITERS["txt"](self._marked(transcript, Format.txt)).splitlines() or [""]:
            print(f"{source.name}: {line}" if self.several else line, flush=True)

    def _marked(self, transcript: Transcript, format: Format) -> Transcript:
        if format is not Format.json:
            return mark_unsure(transcript, self.unsure_below)
        if not any(word.alternatives for word in transcript.words):
            return transcript
        from lipscribe.talker.homophenes import mark_homophenes  # reads a dictionary

        return mark_homophenes(transcript)

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr)
