"""`make dist`: the same bytes from any clone, and records that say what they are of."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel: make setup")
pytest.importorskip("cyclonedx_py", reason="needs cyclonedx-bom: pip install 'lipscribe[trust]'")

pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def source(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, of the files that are here."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path_factory.mktemp("source") / "lipscribe"
    for name in ("src", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "constraints.txt", ".gitignore"):
        of = repo / name
        if of.is_dir():
            shutil.copytree(of, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(of, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-q", "-m", "All")
    return folder


def dist(repo: Path, root: Path, output: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trust.dist", "--root", str(root), "--output", str(output), *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "SOURCE_"))}
    return subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)


def read(folder: Path, end: str) -> Any:
    (path,) = folder.glob(f"*{end}")
    return json.loads(path.read_text(encoding="utf-8"))


def test_two_clones_make_the_same_bytes(repo: Path, source: Path, tmp_path: Path):
    made: list[dict[str, bytes]] = []
    for name, umask in (("one", 0o022), ("another place", 0o077)):
        before = os.umask(umask)
        try:
            git(source, "clone", "-q", str(source), str(tmp_path / name))
        finally:
            os.umask(before)
        done = dist(repo, tmp_path / name, tmp_path / f"dist of {name}")
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"dist of {name}").iterdir()})
        assert git(tmp_path / name, "status", "--porcelain") == ""
    assert len(made[0]) == 3
    assert made[0] == made[1]

    (wheel,) = [content for name, content in made[0].items() if name.endswith(".whl")]
    digest = hashlib.sha256(wheel).hexdigest()
    record = read(tmp_path / "dist of one", ".provenance.json")
    assert record["_type"] == "https://in-toto.io/Statement/v1"
    assert record["predicateType"] == "https://slsa.dev/provenance/v1"
    assert digest in {subject["digest"]["sha256"] for subject in record["subject"]}
    built = record["predicate"]["buildDefinition"]
    assert built["resolvedDependencies"][0]["digest"]["gitCommit"] == git(source, "rev-parse", "HEAD")
    assert built["externalParameters"]["uncommitted"] is False

    bill = read(tmp_path / "dist of one", ".cdx.json")
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    names = {component["name"]: component for component in bill["components"]}
    assert {"numpy", "av", "onnxruntime"} <= names.keys()
    assert "torch" not in names and "pytest" not in names  # installing the wheel does not bring them
    face = "assets/faces/face_landmark.tflite"
    wanted = hashlib.sha256((source / "src/lipscribe" / face).read_bytes()).hexdigest()
    assert names[face]["hashes"][0]["content"] == wanted
    everything = b"".join(content for name, content in made[0].items() if name.endswith(".json"))
    assert str(tmp_path).encode() not in everything and str(source).encode() not in everything


def test_what_is_not_committed_is_refused(repo: Path, source: Path, tmp_path: Path):
    git(source, "clone", "-q", str(source), str(tmp_path / "clone"))
    (tmp_path / "clone" / "src" / "lipscribe" / "more.py").write_text("")
    refused = dist(repo, tmp_path / "clone", tmp_path / "dist")
    assert refused.returncode == 1
    assert refused.stderr == "error: 1 files are not committed: commit them, or give --dirty\n"
    assert not (tmp_path / "dist").exists()
    assert dist(repo, tmp_path / "clone", tmp_path / "dist", "--dirty").returncode == 0
    record = read(tmp_path / "dist", ".provenance.json")
    assert record["predicate"]["buildDefinition"]["externalParameters"]["uncommitted"] is True


def test_outside_of_a_repository(repo: Path, tmp_path: Path):
    done = dist(repo, tmp_path, tmp_path / "dist")
    assert done.returncode == 1
    assert done.stderr.startswith("error: git status fails") and done.stderr.count("\n") == 1
