"""What older checkouts of this repository wrote, made by their own code: talkers of a second, and tiny networks.

    git archive 380923f --prefix=old/ | tar -x -C /tmp
    cd /tmp && mkdir 380923f && cd 380923f && PYTHONPATH=/tmp/old/src python .../tests/golden/older/make.py

The folder is then copied to this one. `4eb506e` is the last of version 1 (specs of format 1, "diaries"); its faces came
from MediaPipe and its talkers from a package that is gone too, so its shards hold a pattern. `380923f` has records of
folders, adaptations, phrases and enrolments; `c230d01` has indices of shards and journals of films.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

TEXTS = ("bin blue", "set red", "lay now", "lay white", "bin red")
CLIPS = 3  # of a manifest; all five are recordings to adapt to
TRAINED = """\
output: run
data: {folder: prepared, workers: 0}
model:
  name: tiny
  tokenizer: {kind: characters}
  input: {height: 32, width: 32}
  frontend: {channels: [2, 2, 2, 2], stem_frames: 1, features: 4}
  encoder: {cell: gru, hidden: 4, layers: 1}
optim: {epochs: 1, batch_size: 2, precision: 32-true, frame_weight: 0}
"""
# Version 1 has it from the package `lightning`, of which the same code is.
ALIAS = "import sys, lightning_fabric; sys.modules['lightning'] = sys.modules['lightning.fabric'] = lightning_fabric; "
COMMAND = [sys.executable, "-c", f"{ALIAS}from lipscribe.cli import main; main()"]


def lipscribe(*arguments: str) -> None:
    subprocess.run([*COMMAND, *arguments], check=True)


def list_clips() -> None:
    """The manifest `clips.jsonl`."""
    with Path("clips.jsonl").open("w") as file:
        for number, text in enumerate(TEXTS[:CLIPS]):
            split = "dev" if number == CLIPS - 1 else "train"
            line = {"id": f"s1/{number}", "path": f"{number}.mp4", "text": text, "speaker": "s1", "split": split}
            file.write(json.dumps(line) + "\n")


def draw_clips() -> None:
    """Videos `0.mp4` ... `4.mp4`, and the manifest."""
    from lipscribe.talker import Scene, Talker

    scene = Scene(width=160, height=120, face=0.28, noise=0)
    for number, text in enumerate(TEXTS):
        Talker(700_000).say(text, scene=scene, duration=1.0).save(f"{number}.mp4")
    list_clips()


def train(config: str = TRAINED) -> None:
    """`run`, a training of one epoch."""
    Path("tiny.yaml").write_text(config)
    lipscribe("train", "tiny.yaml")
    shutil.rmtree("run/logs")
    shutil.rmtree("run/best")


def interrupted(command: str, journal: str) -> None:
    """Runs a command until its journal has a line, and kills it."""
    process = subprocess.Popen([*COMMAND, command, "clips.jsonl", "--model", "talkers", "-o", f"{command}.jsonl"])
    while not Path(journal).exists() or Path(journal).read_text().count("\n") < 2:
        assert process.poll() is None, f"{command} has ended"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def version_1() -> None:
    import numpy as np
    from lipscribe.data.diary import ReadingDiary

    from lipscribe.data.manifest import load_manifest, save_manifest
    from lipscribe.data.shards import PreparedClip, write_shard
    from lipscribe.transcript import Word

    list_clips()
    clips = load_manifest("clips.jsonl")
    frames, rows, columns = np.mgrid[:12, :96, :96]
    pattern = (8 * frames + rows // 8 + columns).astype(np.uint8)
    Path("prepared").mkdir()
    for split in ("train", "dev"):
        drawn = [PreparedClip(clip, pattern) for clip in clips if clip.split == split]
        write_shard(f"prepared/{split}-000000.tar", drawn, "lossless")
    Path("prepared/prepare.json").write_text(json.dumps({"codec": "lossless", "crop": "lipscribe"}))
    save_manifest("prepared/manifest.jsonl", clips)
    letters = "{kind: characters, characters: ' abcdefghijklmnopqrstuvwxyz'}"
    config = TRAINED.replace(", workers: 0", "").replace("{kind: characters}", letters)
    train(config.replace("{cell: gru, hidden: 4, layers: 1}", "{cell: conformer, hidden: 8, layers: 1, kernel: 3}"))
    Path("run").rename("conformer")  # whose weights have other names today
    Path("tiny.yaml").rename("conformer.yaml")
    Path("conformer/last.ckpt").unlink()  # for the same reason it cannot be resumed
    train(config)
    diary = ReadingDiary(Path("label.jsonl.read"), {"model": "talkers", "face": "moving"})
    diary.add(str(Path("0.mp4").absolute()), [Word("bin", 0.12, 0.4, 1.0), Word("red", 0.4, 0.72, 0.99)])


def version_2() -> None:
    from lipscribe.server.enrolment_folder import EnrolmentFolder

    draw_clips()
    lipscribe("prepare", "manifest", "--root", "clips.jsonl", "-o", "prepared", "--workers", "1", "--compact")
    train()
    lipscribe("transcribe", "0.mp4", "--model", "talkers", "--format", "json", "-o", "transcript.json")
    interrupted("label", "label.jsonl.read")
    interrupted("align", "align.jsonl.aligned")
    os.environ["LIPSCRIBE_CACHE"] = str(Path("cache").absolute())
    folder = EnrolmentFolder(Path("enrolments"), "mine")
    folder.create("phrases", "talkers", ["bin blue", "lay now"])
    for number, (file, text) in enumerate((("0.mp4", "bin blue"), ("2.mp4", "lay now")), 1):
        folder.keep(number, text, Path(file), ".mp4", [])
    prompts = ("--prompts", "enrolments/mine/prompts.txt", "--from", "talkers")
    lipscribe("adapt", "enrolments/mine", "--phrases", *prompts, "--name", "mine")
    Path("recordings").mkdir()
    for number, text in enumerate(TEXTS):
        shutil.copy(f"{number}.mp4", "recordings")
        Path(f"recordings/{number}.txt").write_text(text + "\n")
    # The tiny network reads nothing, so its texts do not fit.
    insist = ("--same-person", "--trust-texts", "--jobs", "1")
    lipscribe("adapt", "recordings", "--from", "run/last", *insist, "--name", "me")
    shutil.rmtree("recordings")
    for number in range(CLIPS, len(TEXTS)):
        Path(f"{number}.mp4").unlink()
    shutil.move("cache/models", "models")
    shutil.rmtree("cache")


def indices_and_films() -> None:
    import numpy as np

    from lipscribe.data.manifest import WordTime
    from lipscribe.footage.analysis import Found, FoundClip
    from lipscribe.footage.journal import FootageJournal
    from lipscribe.footage.subtitles import Dropped

    draw_clips()
    lipscribe("prepare", "manifest", "--root", "clips.jsonl", "-o", "prepared", "--workers", "1", "--compact")
    train()
    for number in range(len(TEXTS)):
        Path(f"{number}.mp4").unlink()  # they are those of 380923f
    word = WordTime("red", 0.1, 0.4)
    clip = FoundClip(1.0, 2.0, "red", 0, (0.5, 0.5), "sound", (word,), 0.8, 0.9)
    looks = np.linspace(-1, 1, 1280, dtype=np.float32)[None]
    journal = FootageJournal(Path("clips.work"), {"subtitles": "auto", "recogniser": None, "model": "grid"})
    journal.add("film.mp4", "0-300", Found([clip], [Dropped(3.0, 4.0, "x", "music")], {0: looks}))


MAKE: dict[str, Callable[[], None]] = {"4eb506e": version_1, "380923f": version_2, "c230d01": indices_and_films}


def main() -> None:
    here = Path.cwd()
    package = find_spec("lipscribe")
    print(f"{here.name} by {package and package.origin}", file=sys.stderr)
    MAKE[here.name]()
    for path in [*here.rglob("*lock"), *here.rglob("*.partial")]:
        path.unlink()


if __name__ == "__main__":
    main()
