"""Texts that people and other programs write: captions, manifests, corpora, grammars, configs, transcripts."""

import contextlib
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from trust.corpus_targets import CORPORA
from trust.file_seeds import ARPA, CTM, GRAMMAR, SHORT_TEXTGRID, SRT, TEXTGRID, VTT, WHISPER
from trust.target import Target, put


def _segments(path: Path) -> None:
    """Reads captions, and writes what came in every format."""
    from lipscribe.data.captions import read_captions
    from lipscribe.transcript import WRITERS, Transcript

    segments = read_captions(path)
    for segment in segments:
        times = [segment.start, segment.end, *(time for word in segment.words for time in (word.start, word.end))]
        assert all(math.isfinite(time) and time >= 0 for time in times), f"times {times[:6]}"
        assert segment.start <= segment.end, "it ends before it starts"
    for write in WRITERS.values():
        write(Transcript(tuple(segments))).encode("utf-8", "backslashreplace")


def _captions(name: str, text: str, *more: bytes) -> Target:
    return Target(
        f"captions {name}",
        f"talk.{name}",
        lambda folder: put(folder / f"talk.{name}", text),
        lambda folder: _segments(folder / f"talk.{name}"),
        ("lipscribe.data.captions", "lipscribe.transcript"),
        more,
    )


def _make_manifest(folder: Path) -> None:
    from lipscribe.data.manifest import Clip, WordTime, save_manifest

    words = (WordTime("red", 0.1, 0.5), WordTime("green", 0.5, 0.9))
    clips = [
        Clip("s1/a", "a.mp4", "red green", words, "s1"),
        Clip("s1/b", "/videos/b.mp4", "", speaker="s1", split="dev", silent=True),
        Clip("s2/c", "s3://bucket/c.mp4", "red", start=1.5, end=2.5, split="test"),
    ]
    save_manifest(folder / "clips.jsonl", clips)


def _manifest(folder: Path) -> None:
    from lipscribe.data.manifest import load_manifest, save_manifest

    clips = load_manifest(folder / "clips.jsonl", parts=True)
    for clip in clips:
        assert math.isfinite(clip.start) and math.isfinite(clip.end or 0.0), "times that are no numbers"
        assert all(math.isfinite(word.end) for word in clip.words), "word times that are no numbers"
    save_manifest(folder / "again.jsonl", clips)
    assert load_manifest(folder / "again.jsonl", parts=True) == clips, "not the same again"


def _grammar(folder: Path) -> None:
    from lipscribe.search.grammar_file import load_grammar

    load_grammar(folder / "grammar.txt")


def _phrases(folder: Path) -> None:
    from lipscribe.search.grammar_file import load_phrases

    load_phrases(folder / "phrases.txt")


def _arpa(folder: Path) -> None:
    """The words of a language model, which are read before KenLM reads the file."""
    from lipscribe.search import language_model

    words = language_model._unigrams(folder / "model.arpa")
    assert words and all(isinstance(word, str) for word in words)


def _make_configs(folder: Path, mutated: str) -> None:
    from lipscribe.training.config_file import whole_config

    put(folder / "base.yaml", whole_config("few-clips", folder / "base.yaml"))
    put(folder / "mine.yaml", "base: base.yaml\nseed: 3\noptim:\n  epochs: 2\n  learning_rate: 1e-3\n")
    assert (folder / mutated).exists()


def _config(folder: Path) -> None:
    from lipscribe.training.config import load_config

    load_config(folder / "mine.yaml", optim__epochs=1)


def _prompts(folder: Path) -> None:
    from lipscribe.adaptation.phrase_sources import find_recordings

    find_recordings(folder)


def _utterances(folder: Path) -> None:
    from lipscribe.footage.pieces import plan_by_subtitles
    from lipscribe.footage.subtitles import load_utterances

    spoken, _ = load_utterances(folder / "film.srt", 600.0)
    plan_by_subtitles(spoken, 600.0)


def _transcript(folder: Path) -> None:
    """A transcript that was kept as JSON is read back, and written in every format."""
    from lipscribe.errors import LipscribeError
    from lipscribe.transcript import WRITERS, Transcript

    try:
        record = json.loads((folder / "talk.json").read_bytes())
    except (ValueError, RecursionError):
        raise LipscribeError("not JSON") from None
    transcript = Transcript.from_dict(record)
    for write in WRITERS.values():
        write(transcript).encode("utf-8", "backslashreplace")
    if transcript.segments:
        transcript.words, transcript.familiarity  # noqa: B018


def _make_transcript(folder: Path) -> None:
    from lipscribe.transcript import Alternative, NBest, RankedText, Segment, Transcript, Word, write_transcript

    word = Word("now", 0.5, 0.8, 0.9, (Alternative("no", 0.1, True),))
    nbest = NBest(0.0, 1.0, (RankedText("red now", -0.1, 0.9),))
    segments = (Segment("red now", 0.1, 0.8, (Word("red", 0.1, 0.5, 0.8), word), "face 0", 0.7), Segment("x", 1, 2))
    transcript = Transcript(segments, "talk.mp4", "grid", 2.0, 0.9, ("dark",), (nbest,))
    write_transcript(transcript, "json", folder / "talk.json")


def _initials(folder: Path) -> None:
    from lipscribe.search.initials import Initials

    str(Initials.parse((folder / "initials.txt").read_bytes().decode("utf-8", "replace")))


def _start_message(folder: Path) -> None:
    from lipscribe.server.errors import ApiError
    from lipscribe.server.messages import Start

    with contextlib.suppress(ApiError):
        Start.parse((folder / "start.json").read_bytes().decode("utf-8", "replace"))


def _units(folder: Path) -> None:
    from lipscribe.tokenizer import UnitsTokenizer

    units = UnitsTokenizer(str(folder / "units.txt"))
    for text in ("red", "at s'", ""):
        if units.separator is not None:
            units.decode(units.encode(text))
    units.decode(range(1, units.end))


def _sentences(folder: Path) -> None:
    from lipscribe.talker.plan import load_sentences

    load_sentences(folder / "sentences.txt")


def _text(name: str, file: str, content: str, read: Any, *modules: str, more: tuple[bytes, ...] = ()) -> Target:
    return Target(name, file, lambda folder: put(folder / file, content), read, modules, more)


TEXTS = (
    _captions("srt", SRT),
    _captions("vtt", VTT),
    _captions("TextGrid", TEXTGRID, SHORT_TEXTGRID),
    _captions("ctm", CTM),
    _captions("json", json.dumps(WHISPER), json.dumps(WHISPER["segments"]).encode()),
    _text("subtitles of a film", "film.srt", SRT, _utterances, "lipscribe.footage.subtitles"),
    Target("transcript", "talk.json", _make_transcript, _transcript, ("lipscribe.transcript",)),
    Target("manifest", "clips.jsonl", _make_manifest, _manifest, ("lipscribe.data.manifest",), (), ("again.jsonl",)),
    *CORPORA,
    _text("grammar", "grammar.txt", GRAMMAR, _grammar, "lipscribe.search.grammar_file", "lipscribe.search.grammar"),
    _text("phrases", "phrases.txt", "good night : 2\nmeet at 10:30\n", _phrases, "lipscribe.search.grammar_file"),
    _text("ARPA model", "model.arpa", ARPA, _arpa),
    _text("initials", "initials.txt", "p r a ? ...", _initials, "lipscribe.search.initials"),
    Target("config", "mine.yaml", partial(_make_configs, mutated="mine.yaml"), _config),
    Target("base of a config", "base.yaml", partial(_make_configs, mutated="base.yaml"), _config),
    Target(
        "prompts",
        "prompts.txt",
        lambda folder: [
            put(folder / "a.mp4"),
            put(folder / "b.mp4"),
            put(folder / "prompts.txt", "# said\na.mp4\tgood night\nb good morning\n"),
        ],
        _prompts,
        ("lipscribe.adaptation.prompts", "lipscribe.adaptation.phrase_sources"),
    ),
    _text("sentences to say", "sentences.txt", "Good morning.\nPlace red at c 7.\n", _sentences),
    _text("units", "units.txt", "<unk> 1\n\u2581RED 2\nS 3\n<space> 4\n", _units, "lipscribe.tokenizer"),
    _text("start of a stream", "start.json", json.dumps({"type": "start", "phrases": ["yes", "no"]}), _start_message),
)
