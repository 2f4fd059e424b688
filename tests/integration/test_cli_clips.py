"""`lipscribe clips`, as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.manifest import load_manifest
from lipscribe.talker import Talker

TEXT = "place red at c seven please"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["clips", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talker without sound, and subtitles 0.2 s late."""
    folder = tmp_path_factory.mktemp("film")
    clip = Talker(900_003).say(TEXT, duration=3.0)
    clip.save(folder / "talk.mp4")
    start, end = clip.words[0].start + 0.2, clip.words[-1].end + 0.2
    cue = f"1\n00:00:{start:06.3f} --> 00:00:{end:06.3f}\n<i>{TEXT.capitalize()}.</i>\n"
    (folder / "talk.en.srt").write_text(cue.replace(".", ",", 2) + "\n2\n00:00:02,800 --> 00:00:02,900\n[music]\n")
    return folder / "talk.mp4"


@pytest.mark.slow
def test_a_film_becomes_a_manifest(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips.jsonl"
    code, out, err = run(film, "-o", output, "--split", "dev")
    assert (code, out) == (0, f"{output}\n")
    assert "1 clip of 1 speaker" in err
    assert "1 nothing is said" in err
    (clip,) = load_manifest(output, parts=True)
    assert (clip.text, clip.split, clip.speaker, len(clip.words)) == (TEXT, "dev", "talk-1", 6)


@pytest.mark.slow
def test_films_in_folders_are_found_and_what_lies_past_their_end_is_named(film: Path, tmp_path: Path) -> None:
    folder, cues = tmp_path / "films", film.with_name("talk.en.srt").read_bytes()
    for name in ("2023/talk", "2024/talk", ".trash/talk"):
        path = folder / f"{name}.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(film.read_bytes())
        path.with_suffix(".srt").write_bytes(cues + b"\n3\n00:01:00,000 --> 00:01:02,000\nToo late.\n")
    (folder / "2024" / "notes.md").touch()
    code, _, err = run(folder, "-o", tmp_path / "clips.jsonl", "--model", "none", "--jobs", 1)
    assert code == 0, err
    assert f"note: {folder}: skipped 1 that are not video files: 2024/notes.md\n" in err
    assert "not used:      2 past the end of the film" in err
    clips = load_manifest(tmp_path / "clips.jsonl", parts=True)
    assert [clip.id.rpartition("/")[0] for clip in clips] == ["2023/talk", "2024/talk"]
    assert [clip.speaker for clip in clips] == ["2023/talk-1", "2024/talk-1"]


@pytest.mark.slow
def test_the_report_of_a_film_without_subtitles_says_how_much_is_readable(film: Path, tmp_path: Path) -> None:
    code, out, _ = run(film, "--report", "--subtitles", "none", "-o", tmp_path / "report.json")
    assert code == 0
    assert "clips:" not in out
    assert "1 film without subtitles: 1 s to 3 s of speech that is readable; a run needs subtitles" in out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["clips"], report["films"][0]["clips"]) == (None, None)


@pytest.mark.slow
def test_the_report_is_a_table_json_and_a_picture(film: Path, tmp_path: Path) -> None:
    code, out, _ = run(film, "--report", "-o", tmp_path / "report.json")
    assert code == 0
    assert "100.0%  a mouth that speaks" in out
    assert "clips: 0 to 1, of 1 subtitles" in out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["shares"] == {"a mouth that speaks": 1.0}
    assert report["films"][0]["places"][0]["mouth_px"] > 25
    assert (tmp_path / "report-talk.jpg").stat().st_size > 1000


@pytest.mark.slow
def test_a_film_that_cannot_be_read_is_one_line(film: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nonsense" * 9)
    bad.with_suffix(".srt").write_bytes(film.with_name("talk.en.srt").read_bytes())
    code, _, err = run(bad, film, "-o", tmp_path / "clips.jsonl", "--model", "none", "--jobs", 1)
    assert code == 1
    assert err.startswith(f"error: {bad}: not a video that FFmpeg can read")
    code, _, err = run(bad, "--report")
    assert code == 2
    assert err.startswith(f"error: {bad}: not a video") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4"], "name the manifest to write"),
        (["a.mp4", "-o", "clips.txt"], "give a name that ends in .jsonl"),
        (["a.mp4", "--report", "-o", "report.txt"], "a report is JSON"),
        (["https://example.org/a.mp4", "-o", "c.jsonl"], "give files"),
        (["a.mp4", "-o", "c.jsonl", "--split", "validation"], "wanted 'dev'"),
        (["a.mp4", "--report", "--subtitles", "a.json", "-o", "./a.json"], "a.json is read by this command"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in " ".join(err.replace("\u2502", " ").split())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--subtitles", "no.srt", "is no file"),
        ("--recogniser", "nothing", "recogniser 'nothing' is unknown"),
        ("--model", "no-such-model", "no-such-model"),
    ],
)
def test_wrong_options_are_one_line(film: Path, tmp_path: Path, option: str, value: str, message: str) -> None:
    code, _, err = run(film, "-o", tmp_path / "c.jsonl", option, value, "--jobs", 1)
    assert code == 2
    assert message in err
    assert err.startswith("error: ") and err.count("\n") == 1
