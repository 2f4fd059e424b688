"""What the fuzzer found (trust/fuzz_files.py): each input ends in a result or in one clear line."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipscribe.data.captions import read_captions
from lipscribe.data.corpora.grid import prepare_grid, read_align
from lipscribe.data.crop_codecs import encode, num_frames
from lipscribe.data.journal import ReadingJournal, open_journal
from lipscribe.data.manifest import Clip, load_manifest
from lipscribe.data.parts import read_statuses
from lipscribe.data.shard_index import entries_on_disk
from lipscribe.data.shards import PreparedClip, read_shard, write_shard
from lipscribe.errors import CheckpointError, ConfigError, LipscribeError, ManifestError
from lipscribe.resumable import resumable
from lipscribe.schema import from_dict
from lipscribe.search.grammar_file import load_grammar
from lipscribe.tokenizer import SentencePieceTokenizer
from lipscribe.transcript import Segment, Transcript, Word, format_srt
from lipscribe.zoo.safetensors_header import check_finite, read_header, write_header

DEEP = "[" * 50_000 + "]" * 50_000
HUGE = "9" * 5000


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.srt", f"{HUGE}:00:01,000 --> 00:00:02,000\nhi\n"),
        ("a.json", DEEP),
        ("a.json", f'[{{"start": {HUGE}, "end": 1, "text": "x"}}]'),
        ("a.json", '[{"start": 0, "end": 1e999, "text": "x"}]'),
        ("a.json", f'[{{"start": 0, "end": 1{"0" * 400}, "text": "x"}}]'),
        ("a.ctm", "talk 1 nan 0.3 bin\n"),
        ("a.ctm", "talk 1 1e999 0.3 bin\n"),
        ("a.ctm", f"talk 1 {'x' * 20_000} 0.3 bin\n"),
        ("a.TextGrid", '"ooTextFile" "TextGrid" 0 2 <exists> 1 "IntervalTier" "ort" 0 2 1 2 1 "a"'),
        ("a.TextGrid", '"ooTextFile" "TextGrid" 0 2 <exists> 1 "IntervalTier" "ort" 0 2 1 -3 1 "a"'),
        ("a.TextGrid", '"ooTextFile" "TextGrid" 0 2 <exists> 1 "IntervalTier" "ort" 0 2 1 0 1e999 "a"'),
    ],
    ids=range(11),
)
def test_captions_without_sense_are_refused(tmp_path: Path, name: str, content: str):
    with pytest.raises(ManifestError) as error:
        read_captions(put(tmp_path / name, content))
    assert len(str(error.value)) < 5000


def test_a_character_of_thousands_of_digits_is_text(tmp_path: Path):
    text = f"00:00:01,000 --> 00:00:02,000\na &#{HUGE}; b &amp; c\n"
    assert read_captions(put(tmp_path / "a.srt", text))[0].text.startswith("a &#999")


def test_thousands_of_words_at_the_same_time_are_cues():
    words = tuple(Word(f"w{n}", 1.0, 1.0, 1.0) for n in range(3000))
    srt = format_srt(Transcript((Segment(" ".join(word.text for word in words), 1.0, 1.0, words),)))
    assert all(word.text in srt for word in words)


@pytest.mark.parametrize("start", [DEEP, HUGE], ids=["deep", "huge"])
def test_manifests_of_hostile_json(tmp_path: Path, start: str):
    line = '{"id": "a", "path": "a", "text": "x", "start": ' + start + "}"
    with pytest.raises(ManifestError, match="line 1: not JSON"):
        load_manifest(put(tmp_path / "a.jsonl", line))


@pytest.mark.parametrize("field", ['"start": 1e999', '"end": 1e999', '"words": [{"text": "x", "end": 1e999}]'])
def test_manifests_with_infinite_times(tmp_path: Path, field: str):
    with pytest.raises(ManifestError, match=r"infinity|lasts until inf"):
        load_manifest(put(tmp_path / "a.jsonl", '{"id": "a", "path": "a", "text": "x", ' + field + "}"), parts=True)


def test_numbers_of_hundreds_of_digits_are_a_fault(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"start is 1000.*, wanted a number"):
        load_manifest(put(tmp_path / "a.jsonl", '{"id": "a", "path": "a", "text": "x", "start": 1' + "0" * 400 + "}"))
    with pytest.raises(ManifestError, match="a int that is too large, wanted text"):
        from_dict(Clip, {"id": 16**9000, "path": "a", "text": "x"}, "x", ManifestError)


def test_aligns_and_lists_of_grid(tmp_path: Path):
    with pytest.raises(ManifestError, match="line 1"):
        read_align(put(tmp_path / "a.align", f"0 1{'0' * 400} bin\n"))
    (tmp_path / "s1").mkdir()
    put(tmp_path / "s1" / "bbaf2n.mpg", b"")
    put(tmp_path / "overlap_val.txt", "s2/x\n")
    put(tmp_path / "overlap_train.txt", "//s1/bbaf2n\n")
    assert [clip.id for clip in prepare_grid(tmp_path, "overlapped")[0]] == ["s1/bbaf2n"]
    put(tmp_path / "splits.json", DEEP)
    with pytest.raises(ManifestError, match=r"splits.json cannot be read"):
        prepare_grid(tmp_path)


def test_a_message_about_a_long_line_is_short(tmp_path: Path):
    with pytest.raises(ConfigError) as error:
        load_grammar(put(tmp_path / "a.txt", "<a> = " + "x) " * 20_000))
    assert len(str(error.value)) < 5000


@pytest.mark.parametrize(
    "change",
    [
        {"start": "x"},
        {"end": float("nan")},
        {"text": 3},
        {"text": {}},
        {"words": [{"text": "x", "start": 0}]},
        {"speaker": []},
    ],
    ids=range(6),
)
def test_transcripts_of_other_types_are_refused_when_they_are_read_back(change: dict[str, Any]):
    record = Transcript((Segment("a", 0.0, 1.0),), "a.mp4", "grid", 1.0, None, ("dark",)).to_dict()
    assert Transcript.from_dict(json.loads(json.dumps(record))).to_dict() == record
    record["segments"] = [{**record["segments"][0], **change}]
    with pytest.raises(LipscribeError, match="not a transcript"):
        Transcript.from_dict(record)


def header_of(path: Path, entry: Any, data: bytes = bytes(8)) -> Path:
    header = json.dumps({"a": entry}).encode()
    return put(path, len(header).to_bytes(8, "little") + header + data)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [1_000_000_000], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]},
        {"dtype": "F32", "shape": [2], "data_offsets": []},
        {"dtype": "F32", "shape": [{}], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 10**12]},
        [],
    ],
    ids=range(7),
)
def test_headers_of_weights_that_are_none(tmp_path: Path, entry: Any):
    with pytest.raises(CheckpointError, match="is damaged"):
        read_header(header_of(tmp_path / "model.safetensors", entry))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype, kind", [("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")])
def test_weights_that_are_no_numbers_are_found_wherever_they_are(tmp_path: Path, dtype: str, kind: str, bad: float):
    path = tmp_path / "model.safetensors"
    weights = np.full(300_001, -np.finfo(kind).max, kind)  # beyond a block

    def write() -> None:
        with path.open("wb") as file:
            write_header(file, {"a": (dtype, (3,), 3 * weights.itemsize), "b": (dtype, weights.shape, weights.nbytes)})
            file.write(np.zeros(3, kind).tobytes() + weights.tobytes())

    write()
    check_finite(path, read_header(path))
    for place in (0, 150_000, 300_000):
        weights[place] = bad
        write()
        with pytest.raises(CheckpointError, match="NaN or infinite values in b"):
            check_finite(path, read_header(path))
        weights[place] = 0


def crops_of(npy_header: str, number: int = 2) -> bytes:
    """Lossless crops whose array's header says something else; of the same length."""
    made = io.BytesIO()
    content = b"\x93NUMPY\x01\x00" + (len(npy_header) + 1).to_bytes(2, "little") + npy_header.encode() + b"\n"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("delta.npy", content + bytes(number * 96 * 96))
    return made.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999, 96, 96)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 96, 96)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': ()}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 96, 96)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 96, 96)}",
    ],
    ids=range(5),
)
def test_crops_that_ask_for_more_than_there_is(tmp_path: Path, header: str):
    from lipscribe.data.shards import write_members

    write_members(
        tmp_path / "train-000000.tar",
        [("a.json", b'{"id": "a", "path": "a.mp4", "text": "x"}'), ("a.crops.npz", crops_of(header))],
        index=True,
    )
    with pytest.raises(ManifestError, match="cannot be read"):
        list(read_shard(tmp_path / "train-000000.tar"))
    with pytest.raises(ManifestError, match="cannot be read"):
        entries_on_disk(tmp_path / "train-000000.tar")


def test_crops_are_those_that_were_looked_at():
    """numpy finds a member called "delta" before one called "delta.npy"."""
    from lipscribe.data.crop_codecs import DECODERS

    made = io.BytesIO(crops_of("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 96, 96)}", 1))
    with zipfile.ZipFile(made, "a") as archive, archive.open("delta", "w") as file:
        np.lib.format.write_array(file, np.zeros((5, 7, 7)))
    assert DECODERS[".crops.npz"](made.getvalue()).shape == (1, 96, 96)


def test_compact_crops_of_another_size_are_refused():
    from io import BytesIO

    from lipscribe.data.crop_codecs import DECODERS

    content, suffix = encode(np.zeros((2, 128, 128), np.uint8), "compact")
    assert num_frames(BytesIO(content), suffix) == 2
    with pytest.raises(ValueError, match="128 x 128 pixels, wanted 96 x 96"):
        DECODERS[suffix](content)


@pytest.mark.parametrize(
    "change",
    [
        {"suffix": None},
        {"num_frames": {}},
        {"num_frames": -1},
        {"record": [-512, 10]},
        {"crops": [512, 10**12]},
        {"crops": [None, 1]},
    ],
    ids=range(6),
)
def test_an_index_with_places_that_are_none_is_not_used(tmp_path: Path, change: dict[str, Any]):
    shard = tmp_path / "train-000000.tar"
    write_shard(shard, [PreparedClip(Clip("a", "a.mp4", "x"), np.zeros((3, 96, 96), np.uint8))])
    index = shard.with_suffix(".index")
    first, line = index.read_text().splitlines()
    right = entries_on_disk(shard)
    index.write_text(f"{first}\n{json.dumps({**json.loads(line), **change})}\n")
    assert entries_on_disk(shard) == right


def test_journals_and_statuses_of_other_types(tmp_path: Path):
    journal = put(tmp_path / "label.journal", '{"model": "grid"}\n["a.mp4", [[1, 0, 1, 1]]]\n')
    with pytest.raises(ManifestError, match="is damaged"), open_journal(ReadingJournal, journal, {"model": "grid"}):
        pass
    put(tmp_path / "status.jsonl", '{"id": {}, "split": "train", "status": "ok"}\n')
    assert read_statuses(tmp_path / "status.jsonl") == []
    assert read_statuses(put(tmp_path / "status.jsonl", DEEP)) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"files": [{"key": "../x.zip"}]}', "wanted a plain name"),
        ('{"files": [{"key": ".."}]}', "wanted a plain name"),
        ('{"files": [{"key": ""}]}', "wanted a plain name"),
        *((answer, "is no record of files") for answer in ('{"files": [{"key": 1}]}', "{}", DEEP, '{"files": 3}')),
    ],
    ids=["outside", "parent", "no name", "number", "none", "deep", "files"],
)
def test_answers_of_zenodo_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, message: str):
    from lipscribe.data.corpora import fetching

    rest = ', "links": {"self": "https://x"}, "size": 1, "checksum": "md5:0"}'
    (tmp_path / fetching.DONE_FOLDER).mkdir()
    monkeypatch.setattr(fetching, "download_file", lambda url, path: path.write_text(answer.replace("}]", rest + "]")))
    with pytest.raises(LipscribeError, match=message):
        fetching._archives_of("1", tmp_path)


def test_a_record_with_line_ends_is_one_line(tmp_path: Path):
    put(tmp_path / "prepare.json", '{"codec": "a\\nb"}')
    with pytest.raises(ManifestError) as error, resumable(tmp_path, "prepare.json", {"codec": "lossless"}):
        pass
    assert "\n" not in str(error.value)


def test_sentencepiece_models_whose_pieces_are_no_text(tmp_path: Path):
    pytest.importorskip("sentencepiece")
    from lipscribe.tokenizer import train_sentencepiece

    path = tmp_path / "tokenizer.model"
    train_sentencepiece(["good morning", "good night", "red green"] * 5, 20, path)
    content = path.read_bytes()
    put(path, content.replace("\u2581".encode(), b"\xe2\xe2\xe2", 1))
    with pytest.raises(ConfigError, match=r"no text|not a SentencePiece model"):
        SentencePieceTokenizer(str(path))


def test_animated_webp_that_is_cut_off_or_a_bomb(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    from lipscribe.errors import VideoError
    from lipscribe.video.webp import is_animated_webp, transcode_webp

    assert not is_animated_webp(b"RIFF\0\0\0\0WEBPVP8X")
    path = tmp_path / "a.webp"
    pictures = [image.new("RGB", (32, 24), (9 * n, 9, 9)) for n in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    content = bytearray(path.read_bytes())
    content[24:30] = b"\xff" * 6  # width and height of the canvas
    with pytest.raises(VideoError, match="can't be read"):
        transcode_webp(put(path, bytes(content)))
