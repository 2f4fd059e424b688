"""Whatever is written is read back: manifests, aligns, shards, crops, journals, weights, configs and grammars."""

import json
import tempfile
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from properties import examples

from lipscribe.data.corpora.grid import ALIGN_UNITS_PER_SECOND, read_align, write_align
from lipscribe.data.crop_codecs import DECODERS, encode, num_frames
from lipscribe.data.journal import ReadingJournal, open_journal
from lipscribe.data.manifest import Clip, WordTime, load_manifest, save_manifest
from lipscribe.data.parts import ClipStatus, read_statuses, write_statuses
from lipscribe.data.shard_index import entries_on_disk, read_clip
from lipscribe.data.shards import PreparedClip, read_shard, write_shard
from lipscribe.models.spec import ModelSpec
from lipscribe.plain_data import count_nodes, parse_json
from lipscribe.schema import from_dict, to_dict
from lipscribe.search.grammar_file import load_grammar, load_phrases
from lipscribe.search.word_graph import InOrder, Maybe, OneOf, Repeated, Rule, graph_of_rule
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer
from lipscribe.transcript import Word
from lipscribe.zoo.phrases import _load_arrays, _save_arrays

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

WORD = st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=8).filter(lambda word: word.strip("'"))
NAME = st.from_regex(r"[\w-][\w. -]{0,12}[\w-](/[\w.%-]{1,8}[\w-])?", fullmatch=True).filter(str.isprintable)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def folder() -> Any:
    """A new folder, for one example after the other: each writes all that it reads."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    texts = draw(st.lists(WORD, max_size=5))
    at, words = 0.0, []
    for text in texts:
        start = at + draw(st.floats(0, 2))
        at = start + draw(st.floats(0, 1))
        words.append(WordTime(text, start, at))
    start = draw(st.sampled_from([0.0, 1.25]))
    return Clip(
        draw(NAME),
        draw(st.sampled_from(["/v/a.mp4", "s3://b/a.mp4"])),
        " ".join(texts),
        tuple(words) if draw(st.booleans()) else (),
        draw(st.text(max_size=5)),
        draw(st.sampled_from(["train", "dev", "test", "held-out"])),
        start,
        draw(st.sampled_from([None, start + 0.04, start + 1e6])),
        silent=not texts,
    )


@examples(60)
@given(found=st.lists(clips(), min_size=1, max_size=4, unique_by=lambda clip: clip.id))
def test_manifests(folder: Path, found: list[Clip]):
    save_manifest(folder / "clips.jsonl", found)
    assert load_manifest(folder / "clips.jsonl", parts=True) == found


@examples(60)
@given(lengths=st.lists(st.tuples(*[st.integers(0, 30_000)] * 2, WORD), max_size=6), rest=st.integers(0, 9))
def test_aligns(folder: Path, lengths: list[tuple[int, int, str]], rest: int):
    at, words = 0, []
    for pause, length, text in lengths:
        if text in ("sil", "sp"):
            continue
        start, end = (units / ALIGN_UNITS_PER_SECOND for units in (at + pause, at + pause + length))
        words.append(WordTime(text, start, end))
        at += pause + length
    if not at + rest:
        return  # a clip of no length has no lines
    write_align(folder / "a.align", words, (at + rest) / ALIGN_UNITS_PER_SECOND)
    assert read_align(folder / "a.align") == tuple(words)
    lines = [line.split() for line in (folder / "a.align").read_text().splitlines()]
    assert all(before[1] == after[0] for before, after in pairwise(lines)) and lines[0][0] == "0"


@examples(15)
@given(
    found=st.lists(clips(), min_size=1, max_size=3, unique_by=lambda clip: clip.id),
    frames=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    seed=st.integers(0, 99),
    codec=st.sampled_from(["lossless", "compact"]),
)
def test_shards_by_front_and_index(folder: Path, found: list[Clip], frames: list[int], seed: int, codec: Any):
    rng = np.random.default_rng(seed)
    made = [
        PreparedClip(clip, rng.integers(0, 256, (number, 96, 96), np.uint8))
        for clip, number in zip(found, frames, strict=False)
    ]
    shard = folder / "train-000000.tar"
    write_shard(shard, made, codec)
    by_index = entries_on_disk(shard)
    shard.with_suffix(".index").unlink()
    assert entries_on_disk(shard) == by_index
    for wanted, read, entry in zip(made, read_shard(shard), by_index, strict=True):
        clip, crops = read_clip(shard, entry.record, entry.crops, entry.suffix)
        assert read.clip == clip == entry.clip == wanted.clip
        assert np.array_equal(read.crops, crops) and len(crops) == entry.num_frames == len(wanted.crops)
        if codec == "lossless":
            assert np.array_equal(crops, wanted.crops)


@examples(30)
@given(number=st.integers(0, 6), seed=st.integers(0, 99), flat=st.booleans())
def test_lossless_crops(number: int, seed: int, flat: bool):
    crops = np.random.default_rng(seed).integers(0, 256, (number, 96, 96), np.uint8) // (255 if flat else 1)
    content, suffix = encode(crops, "lossless")
    assert np.array_equal(DECODERS[suffix](content), crops)
    assert num_frames(BytesIO(content), suffix) == number


TEXT = st.text(max_size=9)
WORDS = st.lists(st.builds(Word, TEXT, *[st.floats(0, 99)] * 3), max_size=3)
STATUS = st.builds(ClipStatus, TEXT, st.just("dev"), st.just("ok"), TEXT, st.integers(0, 99))


@examples(40)
@given(st.dictionaries(TEXT, WORDS, max_size=4))
def test_journals(readings: dict[str, list[Word]]):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "label.journal")
        for video, words in readings.items():  # opened again for each, as by runs that were interrupted
            with open_journal(ReadingJournal, path, {"model": "grid"}) as journal:
                journal.add(video, words)
        with open_journal(ReadingJournal, path, {"model": "grid"}) as journal:
            assert journal.words == {video: tuple(words) for video, words in readings.items()}


@examples(40)
@given(st.lists(STATUS))
def test_statuses(found: list[ClipStatus]):
    with tempfile.TemporaryDirectory() as name:
        write_statuses(Path(name, "a.jsonl"), found)
        assert read_statuses(Path(name, "a.jsonl")) == found


SHAPES = st.dictionaries(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), st.tuples(*[st.integers(0, 5)] * 2))


@examples(30)
@given(shapes=SHAPES, seed=st.integers(0, 9))
def test_arrays_by_the_safetensors_package(folder: Path, shapes: dict[str, tuple[int, int]], seed: int):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=shape).astype(np.float16).astype(np.float32) for name, shape in shapes.items()}
    _save_arrays(folder / "a.safetensors", arrays)
    found = _load_arrays(folder / "a.safetensors")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())
    theirs = pytest.importorskip("safetensors.numpy").load_file(folder / "a.safetensors")
    assert {name: array.shape for name, array in theirs.items()} == shapes
    assert all(np.array_equal(theirs[name].astype(np.float32), array) for name, array in arrays.items())


@examples(100)
@given(JSON)
def test_plain_data(data: Any):
    assert parse_json(json.dumps(data)) == data
    assert count_nodes(data) == 1 + _inner(data)


def _inner(data: Any) -> int:
    items = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return sum(1 + _inner(item) for item in items)


@examples(60)
@given(
    words=st.lists(WORD, min_size=1, max_size=4, unique=True),
    hidden=st.integers(1, 512),
    layers=st.integers(1, 16),
    shift=st.integers(0, 20),
    temperature=st.floats(0.1, 10),
)
def test_specs(words: list[str], hidden: int, layers: int, shift: int, temperature: float):
    record = {
        "name": "x",
        "tokenizer": {"kind": "words", "words": words},
        "encoder": {"hidden": hidden, "layers": layers},
        "shift_average": shift,
        "temperatures": {"ctc": temperature},
        "grammar": [words],
    }
    spec = from_dict(ModelSpec, record, "x")
    assert spec.tokenizer == WordTokenizer(tuple(words)) and spec.shift_average == shift
    assert from_dict(ModelSpec, json.loads(json.dumps(to_dict(spec))), "x") == spec


def rules() -> st.SearchStrategy[Rule]:
    return st.recursive(
        WORD,
        lambda inner: st.one_of(
            st.builds(OneOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(InOrder, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(Maybe, inner),
            st.builds(Repeated, inner),
        ),
        max_leaves=6,
    )


def as_text(rule: Rule) -> str:
    """A rule as a grammar file has it."""
    match rule:
        case str():
            return rule
        case OneOf():
            return f"({' | '.join(map(as_text, rule.rules))})"
        case InOrder():
            return f"({' '.join(map(as_text, rule.rules))})"
        case Maybe():
            return f"[{as_text(rule.rule)}]"
        case Repeated():
            return f"({as_text(rule.rule)})+"
    raise AssertionError(rule)


@examples(60)
@given(rule=rules())
def test_grammars(folder: Path, rule: Rule):
    (folder / "a.txt").write_text(f"<text> = {as_text(rule)}  # a comment\n", encoding="utf-8")
    found, wanted = load_grammar(folder / "a.txt").graph, graph_of_rule(rule)
    assert found.arcs == wanted.arcs and found.ends == wanted.ends


PHRASE = st.lists(WORD, min_size=1, max_size=3).map(" ".join)


@examples(60)
@given(phrases=st.dictionaries(PHRASE, st.floats(1e-3, 1e3), min_size=1, max_size=5))
def test_phrases(folder: Path, phrases: dict[str, float]):
    lines = [f"{text} : {weight!r}\n" for text, weight in phrases.items()]
    (folder / "a.txt").write_text("".join(lines), encoding="utf-8")
    graph = load_phrases(folder / "a.txt").graph
    assert sorted(np.exp(weight) for _, weight in graph.ends) == pytest.approx(sorted([1.0, *phrases.values()]))


@examples(60)
@given(st.lists(WORD, min_size=1, max_size=5, unique=True), st.data())
def test_tokenizers(words: list[str], data: st.DataObject):
    said = data.draw(st.lists(st.sampled_from(words), max_size=5))
    for tokenizer in (WordTokenizer(tuple(words)), CharacterTokenizer()):
        tokens = tokenizer.encode(" ".join(said))
        assert tokenizer.decode(tokens) == " ".join(said)
        assert [word.text for word in tokenizer.split_words(tokens)] == said
