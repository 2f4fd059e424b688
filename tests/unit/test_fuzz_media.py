"""The harness of mutated videos finds what it is there to find."""

import json
import random
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("it reads /proc", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
try:
    from trust.fuzz_media import Child, Mutated, fuzz, mutated_files
    from trust.media_mutations import MAX_BYTES, MUTATIONS, mutate
    from trust.media_seeds import Seed
finally:
    sys.path.remove(str(ROOT))

PLANTED = """
import os, signal, sys, tempfile, threading, time
sys.path.insert(0, {root!r})
from lipscribe.errors import VideoError
from trust.media_child import serve

kept = []

class TwoLines(VideoError):
    def __str__(self):
        return "one\\ntwo"

def read(path, words):
    what = path.read_text()
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(3)
    if what == "hang":
        while True:
            pass
    if what == "sleep":
        time.sleep(600)
    if what == "error":
        raise ValueError("planted")
    if what == "memory":
        bytearray(10**12)
    if what == "refused":
        raise VideoError(f"{{path}}: not a video; give another")
    if what == "two lines":
        raise TwoLines
    if what == "empty":
        raise VideoError("")
    if what == "growth":
        kept.append(os.urandom(1) * 600_000_000)
    if what == "descriptor":
        kept.append(open(__file__))
    if what == "file":
        kept.append(tempfile.mkstemp())
        os.close(kept[-1][0])
    if what == "thread":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    if what == "printed":
        print("noise")
    return "fine"

serve(lambda: read)
"""
PROBLEMS = {
    "crash": "crash (SIGSEGV)",
    "exit": "crash (exit code 3)",
    "hang": "hang",
    "sleep": "hang",
    "error": "ValueError",
    "memory": "MemoryError",
    "two lines": "message not one clear line",
    "empty": "message not one clear line",
    "growth": "growth",
    "descriptor": "left behind",
    "file": "left behind",
    "thread": "left behind",
    "printed": "printed",
}
SEED = Seed("clip.mp4", "mp4", "libx264", False)


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    script = tmp_path_factory.mktemp("child") / "planted.py"
    script.write_text(PLANTED.format(root=str(ROOT)))
    planted = Child((sys.executable, str(script)), cpu_limit=1.0, wall_limit=3.0)
    yield planted
    planted.close()


def answer_to(child: Child, tmp_path: Path, what: str) -> dict:
    path = tmp_path / "clip.mp4"
    path.write_text(what)
    return child.ask(path, words=False)


@pytest.mark.slow
@pytest.mark.parametrize("what", PROBLEMS)
def test_each_kind_of_problem_is_found_and_the_next_file_is_read(child: Child, tmp_path: Path, what: str):
    answer = answer_to(child, tmp_path, what)
    assert (answer["outcome"], answer["kind"]) == ("problem", PROBLEMS[what])
    assert answer_to(child, tmp_path, "fine")["outcome"] == "read"


def test_results_and_refusals_are_no_problems(child: Child, tmp_path: Path):
    answer = answer_to(child, tmp_path, "fine")
    assert (answer["outcome"], answer["message"], answer["left"]) == ("read", "fine", [])
    assert answer_to(child, tmp_path, "refused")["outcome"] == "refused"


def test_a_finding_is_kept_with_its_recipe_and_counted(child: Child, tmp_path: Path, capsys):
    texts = ["fine", "error", "refused"]
    files = iter([Mutated(idx, SEED, text.encode(), ["number"], ".mp4") for idx, text in enumerate(texts)])
    report = fuzz(files, child, tmp_path / "findings", 3, time.monotonic() + 1000)
    assert (report.files, report.read, report.refused, dict(report.problems)) == (3, 1, 1, {"ValueError": 1})
    assert (tmp_path / "findings" / "valueerror-1.mp4").read_text() == "error"
    recipe = json.loads((tmp_path / "findings" / "valueerror-1.mp4.json").read_text())
    assert (recipe["number"], recipe["seed"], recipe["mutations"]) == (1, "clip.mp4", ["number"])
    assert "planted" in recipe["message"]
    assert capsys.readouterr().out.count("\n") == 1
    assert json.loads(report.as_json())["problems"] == {"ValueError": 1}


def test_a_file_depends_on_its_number_and_the_seed_alone(tmp_path: Path):
    seeds = [Seed("a.mp4", "mp4", "libx264", False), Seed("b.avi", "avi", "mpeg4", False)]
    for seed in seeds:
        (tmp_path / seed.file).write_bytes(random.Random(seed.file).randbytes(5000))
    first = list(islice(mutated_files(tmp_path, seeds, 1, 0), 40))
    assert list(islice(mutated_files(tmp_path, seeds, 1, 30), 10)) == first[30:]
    assert [made.content for made in islice(mutated_files(tmp_path, seeds, 2, 0), 40)] != [m.content for m in first]
    assert {made.seed.file for made in first} == {"a.mp4", "b.avi"}


@pytest.mark.parametrize("mutation", sorted(set(MUTATIONS), key=lambda each: each.__name__))
@pytest.mark.parametrize("content", [b"", b"\0", b"ftypmoov" * 3, bytes(range(256)) * 20], ids=["0", "1", "24", "5120"])
def test_mutations_take_any_file(mutation, content: bytes):
    chance = random.Random(1)
    made = [bytes(mutation(bytearray(content), chance)) for _ in range(50)]
    assert max(map(len, made)) < MAX_BYTES
    assert len(content) < 2 or any(other != content for other in made)


def test_few_files_stay_as_they_are():
    chance, content = random.Random(1), bytes(range(256)) * 20
    same = sum(mutate(content, [content[::-1]], chance)[0] == content for _ in range(300))
    assert same < 15


def test_the_command_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "trust.fuzz_media", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "--minutes" in done.stdout
