"""`lipscribe prepare` and `download` for each corpus as a user runs them, on trees of talkers drawn once."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from corpus_trees import TREES, Talkers, corrupt, write
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.corpora.registry import find_corpus
from lipscribe.data.manifest import Clip, load_manifest
from lipscribe.data.prepare import ClipStatus, prepare, prepare_clip
from lipscribe.data.shards import PreparedClip, read_shard
from lipscribe.errors import LipscribeError
from lipscribe.talker import Talker

SCENE = {"width": 160, "height": 160, "face": 0.3}  # small, so that faces are found fast


@pytest.fixture(scope="module")
def talkers(tmp_path_factory: pytest.TempPathFactory) -> Talkers:
    """A sentence, a word in the middle of 29 frames, and a film of two sentences."""
    folder, person = tmp_path_factory.mktemp("talkers"), Talker(seed=3)
    said = {
        "command": person.say("bin blue at f two now", take=1, rate=1.3, scene=SCENE),
        "word": person.say("about", take=2, duration=1.16, scene=SCENE),
        "film": person.say("bin blue at f two now lay red by c nine soon", take=3, rate=1.3, scene=SCENE),
    }
    for name, clip in said.items():
        clip.save(folder / f"{name}.mp4")
    paths = {name: folder / f"{name}.mp4" for name in said}
    return Talkers(**paths, words=said["command"].words, film_words=said["film"].words)


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@dataclass
class Tree:
    """A corpus, one of whose videos is corrupt, and what was prepared of it."""

    wanted: dict[str, tuple[str, str]]
    broken: set[str]
    statuses: list[ClipStatus]
    prepared: list[PreparedClip]


@pytest.fixture(scope="module")
def trees(talkers: Talkers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tree]:
    """All corpora, prepared at once, since starting a process takes longer than a tree."""
    folder, clips, trees = tmp_path_factory.mktemp("trees"), [], {}
    for name, tree in TREES.items():
        wanted, _ = tree(folder / name, talkers)
        found = find_corpus(name).prepare(folder / name)[0]
        bad = Path(found[0].path)
        bad.unlink()
        corrupt(bad)
        trees[name] = Tree(wanted, {clip.id for clip in found if clip.path == str(bad)}, [], [])
        clips += [replace(clip, id=f"{name}/{clip.id}") for clip in found]
    for status in prepare(clips, folder / "out", workers=1):
        name, _, clip_id = status.id.partition("/")
        trees[name].statuses.append(replace(status, id=clip_id))
    for shard in sorted((folder / "out").glob("*.tar")):
        for clip in read_shard(shard):
            trees[clip.clip.id.partition("/")[0]].prepared.append(clip)
    return trees


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_the_clips_of_a_corpus_are_prepared(trees: dict[str, Tree], name: str):
    tree = trees[name]
    assert {status.id for status in tree.statuses} == set(tree.wanted)
    assert {s.id for s in tree.statuses if s.status != "ok"} == tree.broken, tree.statuses
    assert all("not a video" in s.reason for s in tree.statuses if s.status != "ok")
    assert {clip.clip.id for clip in tree.prepared} == {f"{name}/{key}" for key in set(tree.wanted) - tree.broken}
    for clip in tree.prepared:
        duration = len(clip.crops) / 25
        assert clip.crops.std() > 5
        assert (clip.clip.text, clip.clip.split) == tree.wanted[clip.clip.id.partition("/")[2]]
        assert all(word.end <= duration + 1e-6 for word in clip.clip.words)
        if clip.clip.end is not None:
            assert duration == pytest.approx(clip.clip.end - clip.clip.start, abs=0.05)


@pytest.mark.slow
def test_a_folder_is_prepared_by_command_and_what_cannot_be_is_listed(talkers: Talkers, tmp_path: Path):
    root, output = tmp_path / "root", tmp_path / "out"
    wanted, left_out = TREES["folder"](root, talkers)
    corrupt(root / "train" / "broken.mp4")
    write(root / "train" / "broken.txt", "hello")
    code, stdout, stderr = run("prepare", "folder", "--root", root, "-o", output, "--workers", 1)
    assert code == 1, stderr
    assert f"1 skipped, {len(left_out)} left out" in stdout
    assert "1 dev, 2 test, 3 train in" in stdout
    assert "skipped: train/broken: " in stderr
    listed = [json.loads(line) for line in (output / "left_out.jsonl").read_text().splitlines()]
    assert len(listed) == len(left_out)
    assert all(f"left out: {item['path']}: {item['reason']}" in stderr for item in listed)
    prepared = load_manifest(output / "manifest.jsonl", parts=True)
    assert {clip.id: (clip.text, clip.split) for clip in prepared} == wanted
    code, again, _ = run("prepare", "folder", "--root", root, "-o", output, "--workers", 1)
    assert (code, again) == (1, stdout)


@pytest.mark.slow
def test_times_in_another_unit_than_seconds_are_seen_before_anything_is_learned(talkers: Talkers, tmp_path: Path):
    """Seconds that were milliseconds in subtitles of a film, and times of GRID in another unit than its own."""
    talkers.put(tmp_path / "films" / "film.mp4", talkers.film)
    write(tmp_path / "films" / "film.srt", "00:03:20,000 --> 00:33:20,000\nbin\n\n00:01,000 --> 00:33:20,000\nblue\n")
    early, late = find_corpus("folder").prepare(tmp_path / "films")[0]
    with pytest.raises(LipscribeError, match=r"ends at 2000.00 s of its video, which ends at .* s: is the unit of its"):
        prepare_clip(early)
    with pytest.raises(LipscribeError, match=r"start is 200 s, but its pictures end at"):
        prepare_clip(late)
    talkers.put(tmp_path / "grid" / "s3" / "bbaf2n.mpg")
    lines = (f"{w.start * 1e6:.0f} {w.end * 1e6:.0f} {w.text}\n" for w in talkers.words)
    write(tmp_path / "grid" / "s3" / "bbaf2n.align", "".join(lines))
    (clip,) = find_corpus("grid").prepare(tmp_path / "grid")[0]
    with pytest.raises(LipscribeError, match=r"is their unit right\?"):
        prepare_clip(clip)


@pytest.mark.slow
def test_a_part_of_a_film_has_the_same_crops_as_the_film_there(talkers: Talkers):
    whole, _ = prepare_clip(Clip("whole", str(talkers.film), "a"))
    part, _ = prepare_clip(Clip("part", str(talkers.film), "a", start=1.0, end=2.0))
    assert len(part.crops) == 25
    difference = np.abs(part.crops.astype(int) - whole.crops[25:50]).mean()
    assert difference < 6  # of 255; the face is found and followed anew
    assert difference < np.abs(part.crops.astype(int) - whole.crops[30:55]).mean()


def test_a_corpus_without_a_usable_clip(tmp_path: Path):
    Talkers().put(tmp_path / "root" / "holiday.mp4")
    code, _, stderr = run("prepare", "grid", "--root", tmp_path / "root", "-o", tmp_path / "out")
    assert code == 2
    assert "left out: " in stderr
    assert "error: no clip of " in stderr
    assert not (tmp_path / "out").exists()


def test_much_that_is_left_out_is_in_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    from lipscribe.cli.prepare import _print_left_out

    left_out = {f"clip{number}": "no text" for number in range(100)}
    _print_left_out(left_out, tmp_path / "left_out.jsonl")
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 21
    assert printed[-1] == f"left out: 80 more, all in {tmp_path / 'left_out.jsonl'}"
    assert len((tmp_path / "left_out.jsonl").read_text().splitlines()) == 100


@pytest.mark.parametrize("command", ["prepare", "download"])
def test_an_unknown_corpus(tmp_path: Path, command: str):
    root = ["--root", tmp_path] if command == "prepare" else []
    code, _, stderr = run(command, "lsr3", *root)
    assert code == 2
    assert stderr.startswith("error: no corpus 'lsr3': give one of grid, lombard-grid, lrw, ")
    assert len(stderr.splitlines()) == 1


def test_a_protocol_that_a_corpus_does_not_have(tmp_path: Path):
    code, _, stderr = run("prepare", "lrw", "--root", tmp_path, "--protocol", "unseen")
    assert (code, stderr) == (2, "error: lrw has no protocol 'unseen', it has one only: leave it out\n")


def test_a_licence_is_shown_and_has_to_be_accepted(tmp_path: Path):
    code, _, stderr = run("download", "grid", "-o", tmp_path / "GRID")
    assert code == 2
    assert "licence: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)" in stderr
    assert f"run `lipscribe download grid -o {tmp_path / 'GRID'} --accept-licence`" in stderr
    assert not (tmp_path / "GRID").exists()


def test_what_is_given_on_request_prints_its_instructions(tmp_path: Path):
    code, stdout, stderr = run("download", "lrs2", "-o", tmp_path / "LRS2")
    assert code == 2
    assert "https://www.bbc.co.uk/rd/projects/lip-reading-datasets" in stdout
    assert f"lipscribe prepare lrs2 --root {tmp_path / 'LRS2'} --output prepared-lrs2/" in stdout
    assert "licence: BBC's agreement, research only" in stderr
    assert "error: lrs2 is given by its authors on request" in stderr
    assert not (tmp_path / "LRS2").exists()


def test_of_a_folder_there_is_nothing_to_download(tmp_path: Path):
    code, stdout, stderr = run("download", "folder", "-o", tmp_path / "mine")
    assert code == 0
    assert stdout.startswith("There is nothing to download: put your own videos into a folder")
    assert f"lipscribe prepare folder --root {tmp_path / 'mine'} --output prepared/" in stdout
    assert "error" not in stderr
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("output", [".", "deep/prepared", "../link/prepared"])
def test_an_output_in_the_corpus_is_refused_before_anything_is_written(tmp_path: Path, name: str, output: str):
    root = tmp_path / "root"
    TREES[name](root, Talkers())
    (tmp_path / "link").symlink_to(root)
    before = sorted(tmp_path.rglob("*"))
    code, stdout, stderr = run("prepare", name, "--root", root, "-o", root / output)
    assert (code, stdout) == (2, "")
    assert f"is in the corpus's folder {root}: give one outside of it\n" in stderr
    assert stderr.startswith("error: --output ") and stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_of_a_manifest_is_no_output(tmp_path: Path):
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    code, _, stderr = run("prepare", "manifest", "--root", tmp_path / "manifest.jsonl", "-o", tmp_path)
    assert (code, stderr) == (
        2,
        f"error: --output {tmp_path} is the folder of the manifest: give a folder of its own\n",
    )
    code, _, stderr = run("prepare", "manifest", "--root", "memory://b/c.jsonl", "-o", "memory://b/")
    assert (code, stderr) == (
        2,
        "error: --output memory://b is the folder of the manifest: give a folder of its own\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


def test_help_lists_all_corpora_and_imports_none():
    program = (
        "import sys; from typer.testing import CliRunner; from lipscribe.cli.app import app\n"
        "for command in ('prepare', 'download'):\n"
        "    print(CliRunner().invoke(app, [command, '--help'], env={'COLUMNS': '200'}).output)\n"
        "print('LOADED', *[m for m in sys.modules if m.startswith('lipscribe.data.corpora.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in TREES:
        assert done.stdout.count(name) >= 2, name
    assert done.stdout.splitlines()[-1] == "LOADED lipscribe.data.corpora.registry"
