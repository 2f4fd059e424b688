"""`make dist`: the wheel, what it brings (CycloneDX), and what it was built from (in-toto, SLSA), in dist/.

The wheel is built twice, in two folders, and has to be the same bytes. Its files are those of the commit, so nothing
may be uncommitted; `--dirty` builds all the same, and the record says so. No time and no path of this machine gets into
any of the three files, so whoever checks out the commit can build them again and compare.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = "lipscribe"
# Files of others, or fitted to data, that lie in the wheel.
BUNDLED = ("*.tflite", "*.safetensors", "*.onnx", "cmudict/*.gz", "cmudict/*.txt", "cmudict/*.dict")
BUILD_TYPE = "urn:lipscribe:make-dist:v1"


class DistError(Exception):
    """The wheel cannot be built as promised."""


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DistError(f"git {arguments[0]} fails ({done.stderr.strip()[:200]}): build in a clone of the repository")
    return done.stdout


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(root: Path) -> str:
    """SHA-256 of the list of all files of the commit, each with its own: `sha256  path` lines by path."""
    names = sorted(name for name in git(root, "ls-files", "-z").split("\0") if name)
    lines = (f"{sha256(root / name)}  {name}\n" for name in names if (root / name).is_file())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def build(root: Path, folder: Path, epoch: int) -> Path:
    """The wheel, built into the folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise DistError(f"hatchling fails: {done.stderr.strip()[-300:]}")
    return wheels[0]


def requirements(root: Path) -> list[str]:
    """What installing the wheel brings, without extras, with the versions that are tested (constraints.txt)."""
    import tomllib

    lines = (line.split("#")[0].strip() for line in (root / "constraints.txt").read_text("utf-8").splitlines())
    pins = [Requirement(line) for line in lines if line]
    version = {
        canonicalize_name(each.name): str(each.specifier)
        for each in pins
        if each.marker is None or each.marker.evaluate()
    }
    todo = list(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"])
    found: dict[str, str] = {}
    while todo:
        wanted = Requirement(todo.pop())
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        if name not in version:
            raise DistError(f"constraints.txt has no version of {name}, which the wheel needs: add what was tested")
        found[name] = f"{name}{version[name]}"
        todo += metadata.requires(name) or []
    return sorted(found.values())


def bill_of_materials(root: Path, wheel: Path, epoch: int) -> dict[str, Any]:
    """A CycloneDX record: the wheel, what installing it brings, and the files of others that lie in it."""
    with tempfile.TemporaryDirectory() as folder:
        listed, made = Path(folder) / "requirements.txt", Path(folder) / "made.json"
        listed.write_text("\n".join(requirements(root)) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(listed), "--output-reproducible"]
        command += ["--pyproject", str(root / "pyproject.toml"), "--mc-type", "library", "-o", str(made)]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DistError(f"cyclonedx-bom fails: {done.stderr.strip()[-300:]}")
        record = json.loads(made.read_text(encoding="utf-8"))
    package = root / "src" / PROJECT
    bundled = sorted({path for pattern in BUNDLED for path in (package / "assets").rglob(pattern)})
    record["metadata"]["component"]["hashes"] = [{"alg": "SHA-256", "content": sha256(wheel)}]
    record["components"] += [
        {
            "type": "file",
            "bom-ref": f"file:{path.relative_to(package).as_posix()}",
            "name": path.relative_to(package).as_posix(),
            "hashes": [{"alg": "SHA-256", "content": sha256(path)}],
        }
        for path in bundled
    ]
    return record


def provenance(root: Path, files: list[Path], epoch: int, is_dirty: bool) -> dict[str, Any]:
    """An in-toto statement with SLSA's provenance: which commit became these files, and by what."""
    commit = git(root, "rev-parse", "HEAD").strip()
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    is_ci = bool(server and repository)
    source = f"git+{server}/{repository}" if is_ci else f"git+urn:{PROJECT}"
    run = os.environ.get("GITHUB_RUN_ID")
    builder = f"{server}/{repository}/actions/runs/{run}" if is_ci and run else "urn:lipscribe:local"
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": path.name, "digest": {"sha256": sha256(path)}} for path in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"target": "wheel", "commit": commit, "uncommitted": is_dirty},
                "internalParameters": {"SOURCE_DATE_EPOCH": str(epoch)},
                "resolvedDependencies": [
                    {"uri": source, "digest": {"gitCommit": commit, "sha256": source_digest(root)}},
                    {"uri": f"pkg:pypi/hatchling@{metadata.version('hatchling')}"},
                ],
            },
            "runDetails": {"builder": {"id": builder, "version": {"python": platform.python_version()}}},
        },
    }


def make(root: Path, output: Path, dirty: bool = False) -> list[Path]:
    """Makes the three files; the older ones of the project are removed.

    Raises:
        DistError: Something is not committed, a tool fails, or the two wheels differ.
    """
    changed = git(root, "status", "--porcelain").strip()
    if changed and not dirty:
        raise DistError(f"{len(changed.splitlines())} files are not committed: commit them, or give --dirty")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or git(root, "log", "-1", "--format=%ct"))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        built, again = build(root, Path(first), epoch), build(root, Path(second), epoch)
        content = built.read_bytes()
        if content != again.read_bytes():
            raise DistError("two wheels of the same files are not the same bytes: find what differs before releasing")
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob(f"{PROJECT}-*"):
        old.unlink()
    wheel = output / built.name
    wheel.write_bytes(content)
    bill, statement = output / f"{built.name}.cdx.json", output / f"{built.name}.provenance.json"
    _write(bill, bill_of_materials(root, wheel, epoch))
    _write(statement, provenance(root, [wheel, bill], epoch, bool(changed)))
    return [wheel, bill, statement]


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trust.dist", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--output", type=Path, help="default: dist/ in the repository")
    parser.add_argument("--dirty", action="store_true", help="build although something is not committed")
    args = parser.parse_args()
    try:
        for path in make(args.root.resolve(), args.output or args.root / "dist", args.dirty):
            print(f"{sha256(path)}  {path}")
    except DistError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
