"""Films to clips: who is seen to speak, and with whose words; and what a bad film, a kill or a crash costs."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from lipscribe.data.manifest import load_manifest
from lipscribe.errors import ConfigError, LipscribeError, ManifestError
from lipscribe.footage import films
from lipscribe.footage.films import ClipOptions, make_clips

pytestmark = pytest.mark.slow


def statuses(manifest: Path) -> dict[str, dict[str, Any]]:
    lines = manifest.with_name(f"{manifest.stem}.status.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["text"] + line.get("reason", ""): line for line in map(json.loads, lines)}


def spoken(truth: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in truth["said"] if one["kind"] == kind)


@pytest.fixture(scope="module")
def made(
    make_film: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The manifest of a film with sound, and its truth."""
    folder = tmp_path_factory.mktemp("film")
    truth = make_film(folder / "news.mp4")
    make_clips([folder / "news.mp4"], folder / "clips.jsonl", jobs=1)
    return folder / "clips.jsonl", truth


def test_those_who_are_seen_to_speak_become_clips(made: tuple[Path, dict[str, Any]]) -> None:
    manifest, truth = made
    clips = load_manifest(manifest, parts=True)
    assert len(clips) == 2
    for clip, kind in zip(clips, ("talk", "pair"), strict=True):
        words = spoken(truth, kind)["words"]
        assert clip.text == " ".join(word[0] for word in words)
        assert words[0][1] - 0.35 < clip.start < words[0][1]
        assert words[-1][2] < clip.end < words[-1][2] + 0.35
    assert clips[0].speaker != clips[1].speaker
    assert all(clip.id.startswith("news/") for clip in clips)
    assert not manifest.with_name("clips.jsonl.work").exists()


def test_the_words_a_model_can_spell_are_aligned(made: tuple[Path, dict[str, Any]]) -> None:
    manifest, truth = made
    aligned, other = load_manifest(manifest, parts=True)
    assert other.words == ()
    for word, (_, start, end) in zip(aligned.words, spoken(truth, "talk")["words"], strict=True):
        assert aligned.start + word.start == pytest.approx(start, abs=0.15)
        assert aligned.start + word.end == pytest.approx(end, abs=0.15)
    lines = statuses(manifest)
    assert [lines[clip.text]["aligned"] for clip in (aligned, other)] == [True, False]
    assert lines[aligned.text]["edges"] == "sound"


def test_the_face_beside_the_speaker_is_not_taken(made: tuple[Path, dict[str, Any]]) -> None:
    manifest, truth = made
    pair = load_manifest(manifest, parts=True)[1]
    assert statuses(manifest)[pair.text]["face"][0] == pytest.approx(spoken(truth, "pair")["x"], abs=0.1)


def test_the_rest_is_listed_with_its_reason(made: tuple[Path, dict[str, Any]]) -> None:
    manifest, truth = made
    wanted = {
        "listener": "no mouth moves",
        "other words": "no mouth moves with the sound",
        "far": "mouth too small",
    }
    dropped = [line for line in statuses(manifest).values() if line["status"] == "dropped"]
    found = {
        kind: line["reason"]
        for kind in wanted
        for line in dropped
        if line["start"] < spoken(truth, kind)["words"][0][2] and line["end"] > spoken(truth, kind)["words"][-1][1]
    }
    assert found == wanted


def test_a_silent_film_is_cut_by_its_mouths(make_film: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    truth = make_film(tmp_path / "mute.mp4", ("talk", "listener", "pair"), sound=False)
    make_clips([tmp_path / "mute.mp4"], tmp_path / "clips.jsonl", jobs=1)
    clips = load_manifest(tmp_path / "clips.jsonl", parts=True)
    assert [clip.text for clip in clips] == [
        " ".join(w[0] for w in spoken(truth, k)["words"]) for k in ("talk", "pair")
    ]
    assert {statuses(tmp_path / "clips.jsonl")[clip.text]["edges"] for clip in clips} == {"mouth"}


def test_prepare_reads_the_manifest(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from lipscribe.data.prepare import prepare

    found = prepare(load_manifest(made[0], parts=True), tmp_path / "prepared", workers=1)
    assert [one.status for one in found] == ["ok", "ok"]


def test_a_recogniser_tells_what_is_said(
    make_film: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = make_film(tmp_path / "talk.mp4", ("talk", "pair"))
    (tmp_path / "talk.srt").unlink()
    spans = [(one["words"][0][1], one["words"][-1][2], " ".join(w[0] for w in one["words"])) for one in truth["said"]]
    (tmp_path / "stand_in.py").write_text(f"def read(samples, rate):\n    assert rate == 16000\n    return {spans!r}\n")
    monkeypatch.chdir(tmp_path)
    options = ClipOptions(recogniser="stand_in:read", model="none")
    make_clips([Path("talk.mp4")], Path("clips.jsonl"), options, jobs=1)
    assert [clip.text for clip in load_manifest("clips.jsonl", parts=True)] == [span[2] for span in spans]


def test_a_recogniser_hears_nothing_in_a_silent_film(
    make_film: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_film(tmp_path / "mute.mp4", ("empty",), sound=False)
    (tmp_path / "mute.srt").unlink()
    (tmp_path / "deaf.py").write_text("def read(samples, rate):\n    return []\n")
    monkeypatch.chdir(tmp_path)
    report = make_clips(
        [Path("mute.mp4")], Path("clips.jsonl"), ClipOptions(recogniser="deaf:read", model="none"), jobs=1
    )
    assert "no sound that a recogniser could hear" in report.failed["mute.mp4"][0]
    assert not Path("clips.jsonl").exists()


def test_a_bad_film_is_one_line_and_the_rest_goes_on(make_film: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    make_film(tmp_path / "good.mp4", ("talk",))
    (tmp_path / "bad.mp4").write_bytes(b"nonsense" * 100)
    (tmp_path / "bad.srt").write_bytes((tmp_path / "good.srt").read_bytes())
    (tmp_path / "untold.mp4").write_bytes((tmp_path / "good.mp4").read_bytes())
    paths = [tmp_path / name for name in ("bad.mp4", "untold.mp4", "good.mp4")]
    report = make_clips(paths, tmp_path / "clips.jsonl", ClipOptions(model="none"), jobs=1)
    assert report.num_clips == 1
    assert list(report.failed) == [str(paths[0]), str(paths[1])]
    assert "not a video" in report.failed[str(paths[0])][0]
    assert "no subtitles lie beside it" in report.failed[str(paths[1])][0]


def test_a_stopped_run_resumes(make_film: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    make_film(paths[0], ("talk",))
    make_film(paths[1], ("pair",))
    output, find_clips, options = tmp_path / "clips.jsonl", films.find_clips, ClipOptions(model="none")
    with (
        mock.patch.object(films, "find_clips", side_effect=lambda film, *rest: _stopped(film, find_clips, rest)),
        pytest.raises(KeyboardInterrupt),
    ):
        make_clips(paths, output, options, jobs=1)
    assert not output.exists()
    with pytest.raises(ManifestError, match="other options"):
        make_clips(paths, output, ClipOptions(), jobs=1)
    with mock.patch.object(films, "find_clips", wraps=find_clips) as again:
        make_clips(paths, output, options, jobs=1)
    assert [call.args[0] for call in again.call_args_list] == [paths[1]]
    fresh = tmp_path / "fresh.jsonl"
    make_clips(paths, fresh, options, jobs=1)
    assert output.read_bytes() == fresh.read_bytes()


def _stopped(film: Path, find_clips: Callable[..., Any], rest: tuple[Any, ...]) -> Any:
    if film.stem == "b":
        raise KeyboardInterrupt
    return find_clips(film, *rest)


def test_a_film_that_changed_is_read_again(make_film: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    film, bad = tmp_path / "a.mp4", tmp_path / "bad.mp4"
    make_film(film, ("talk",))
    bad.write_bytes(b"nonsense")
    options, output = ClipOptions(model="none"), tmp_path / "clips.jsonl"
    make_clips([film, bad], output, options, jobs=1)  # the journal stays, since a film failed
    with mock.patch.object(films, "find_clips", side_effect=AssertionError("is done already")):
        make_clips([film, bad], output, options, jobs=1)
    os.utime(film, (1, 1))
    with mock.patch.object(films, "find_clips", side_effect=LipscribeError("is read")):
        assert make_clips([film], output, options, jobs=1).failed == {str(film): [mock.ANY]}


def test_workers_find_the_same(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    film = Path(load_manifest(made[0], parts=True)[0].path)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    copy.with_suffix(".srt").write_bytes(film.with_suffix(".srt").read_bytes())
    make_clips([film, copy], tmp_path / "clips.jsonl", jobs=2)
    clips = load_manifest(tmp_path / "clips.jsonl", parts=True)
    alone = load_manifest(made[0], parts=True)
    assert [(clip.text, clip.start, clip.end, clip.words) for clip in clips] == 2 * [
        (clip.text, clip.start, clip.end, clip.words) for clip in alone
    ]
    assert len({clip.speaker for clip in clips}) == 4  # people are told apart within a film


def test_wrong_options(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    with pytest.raises(ConfigError, match="of one film, not of 2"):
        make_clips(paths, tmp_path / "c.jsonl", ClipOptions(subtitles="a.srt"))
    with pytest.raises(ConfigError, match="recogniser 'nothing' is unknown"):
        make_clips(paths, tmp_path / "c.jsonl", ClipOptions(recogniser="nothing"))
    with pytest.raises(ManifestError, match="cannot be written"):
        make_clips([], Path("/proc/no/c.jsonl"))
