"""Whether it works elsewhere: other Pythons and packages, without locale, home or network, with names of other systems.

    python -m trust.compatibility                     # `make compatibility`
    python -m trust.compatibility --only locale       # `make compatibility ONLY=locale`: rows with this in their names
    python -m trust.compatibility --tests             # the rows of Pythons and dependencies run the reader's tests too

Each row runs commands in an environment of its own and says passed, failed or left out, with the reason. Prints a table
and writes trust-results/compatibility.json. Exit code 1 if a row fails. Rows that take a mount, another user or a
network of its own need Linux and root.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lipscribe.errors import LipscribeError
from trust.compatibility_names import NAMES
from trust.compatibility_proxy import proxied
from trust.compatibility_rows import LIPSCRIBE, ROOT, Failed, LeftOut, lipscribe, run

Row = Callable[[Path], str]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READER_TESTS = ("tests/unit/test_transcript.py", "tests/unit/test_pipeline.py", "tests/unit/search", "tests/unit/video")


def python(version: str, constraints: str | None, extras: str = "", tests: bool = False) -> Row:
    """Installs into a new environment of a Python, and makes and reads a video there."""

    def row(folder: Path) -> str:
        program = find_python(version)
        run([program, "-m", "venv", folder / "venv"])
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        limits = ["--constraint", ROOT / constraints] if constraints else []
        run([*pip, *limits, f"{ROOT}{extras}"], timeout=1500)
        run([folder / "venv/bin/lipscribe", "demo"], folder)
        said = run([folder / "venv/bin/lipscribe", "transcribe", "demo/talker.mp4", "--model", "talkers"], folder)
        ran = ""
        if tests:
            run([*pip, *limits, f"{ROOT}[test,plots]"], timeout=900)
            command = [folder / "venv/bin/python", "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
            ran = f"; tests: {run([*command, *READER_TESTS], ROOT, timeout=2400).splitlines()[-1]}"
        versions = run(
            [
                folder / "venv/bin/python",
                "-c",
                "import numpy, onnxruntime, av, sys; print(sys.version.split()[0], "
                "'numpy', numpy.__version__, 'onnxruntime', onnxruntime.__version__, 'av', av.__version__)",
            ]
        )
        return f"{versions.strip()}; read {said.strip()!r}{ran}"

    return row


def find_python(version: str) -> str:
    """A Python of the version: on the path, or of pyenv."""
    if found := shutil.which(f"python{version}"):
        answer = subprocess.run([found, "-c", "import venv"], capture_output=True)
        if answer.returncode == 0:
            return found
    installed = sorted(
        Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob(f"versions/{version}.*/bin/python")
    )
    if not installed:
        raise LeftOut(f"no Python {version} here")
    return str(installed[-1])


def locale(**variables: str) -> Row:
    """Reads a video whose name is not ASCII, and writes beside it, to a file and to a pipe."""

    def row(folder: Path) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
        video = folder / "größer 口形.mp4"
        shutil.copyfile(talker(folder), video)
        for output in (["-o", folder / "größer 口形.srt", "--format", "srt"], ["--format", "json"]):
            said = lipscribe("transcribe", video, *output, env=env | variables, clean=True, encoding="utf-8")
        lipscribe("models", env=env | variables, clean=True, encoding="utf-8")
        text = json.loads(said)["text"]
        missing = subprocess.run(
            [*LIPSCRIBE, "transcribe", str(folder / "nicht da 口.mp4")],
            env=env | variables | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
        )
        line = missing.stderr.decode("ascii", "replace")
        if missing.returncode != 2 or "Traceback" in line or "unexpected" in line:
            raise Failed(line)
        return f"read {text!r}; a missing video is one line"

    return row


def homeless(folder: Path) -> str:
    """Without HOME, and with one that does not exist and cannot be made."""
    video = talker(folder)
    without = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    read = [lipscribe("transcribe", video, env=without, clean=True)]
    for home in ("/proc/none", "/dev/null"):
        read.append(lipscribe("transcribe", video, env={"HOME": home, "XDG_CACHE_HOME": f"{home}/cache"}))
        line = lipscribe("models", "pull", "auto-avsr-lrs3", "--accept-licence", env={"HOME": home}, code=None)
        one_line(line)
    return f"read {read[0].strip()!r} three times; pull is refused in one line"


def read_only_packages(folder: Path) -> str:
    """The package and its environment on a file system that cannot be written, with caches of bytecode absent."""
    needs_root("unshare", "mount")
    video = talker(folder)
    places = [ROOT / "src", Path(sys.prefix)]
    mounts = " && ".join(f"mount --bind {place} {place} && mount -o remount,bind,ro {place}" for place in places)
    probe = f"! touch {ROOT}/src/probe 2>/dev/null"
    read = f"cd {folder} && {sys.executable} -m lipscribe"
    script = f"{mounts} && {probe} && {read} transcribe {video} && {read} demo && {read} models"
    said = run(["unshare", "-m", "sh", "-ec", script], folder, env={"PYTHONDONTWRITEBYTECODE": ""})
    return f"read {said.splitlines()[0]!r}, demo and models work"


def other_user(folder: Path) -> str:
    """Another user, who may write nothing but the working folder, and whose home does not exist."""
    needs_root("setpriv")
    video = talker(folder)
    work = Path(tempfile.mkdtemp(prefix="lipscribe-user-"))
    try:
        target, work_video = work / "out", work / "talker.mp4"
        shutil.copyfile(video, work_video)
        target.mkdir()
        for path in (work, target):
            path.chmod(0o777)
        # The environment may lie in a folder of root alone, which is opened for this process and its children only.
        script = f"mount --bind {sys.base_prefix} /mnt && cd {target} && exec setpriv --reuid=65534 --regid=65534 "
        script += f"--clear-groups env HOME=/nonexistent PATH={SYSTEM_PATH} PYTHONPATH={ROOT}/src:{site_packages()} "
        script += (
            f"PYTHONHOME=/mnt /mnt/bin/{Path(sys.executable).name} -m lipscribe transcribe {work_video} -o read.txt"
        )
        run(["unshare", "-m", "sh", "-ec", script], folder)
        return f"user 65534 without a home read {(target / 'read.txt').read_text().strip()!r}"
    finally:
        shutil.rmtree(work, ignore_errors=True)


def site_packages() -> str:
    return next(path for path in sys.path if path.endswith("site-packages"))


def offline(folder: Path) -> str:
    """A network without any interface: reading works, and what needs the network is one line."""
    needs_root("unshare")
    video = talker(folder)
    within = ["unshare", "-n", *LIPSCRIBE]
    said = run([*within, "transcribe", video], folder)
    run([*within, "demo"], folder)
    for command in (
        ["models", "pull", "auto-avsr-lrs3", "--accept-licence"],
        ["transcribe", "http://video.invalid/a.mp4"],
    ):
        one_line(run([*within, *command], folder, code=None))
    return f"read {said.strip()!r}, demo works; pull and an address are one line each"


def temporary_folder(folder: Path) -> str:
    """TMPDIR that is absent, and one that is full."""
    needs_root("unshare", "mount")
    video = talker(folder)
    absent = lipscribe("transcribe", video, env={"TMPDIR": str(folder / "absent")})
    script = (
        f"mkdir -p {folder}/full && mount -t tmpfs -o size=64k none {folder}/full && "
        f"head -c 60000 /dev/zero > {folder}/full/filler && cd {folder} && "
        f"TMPDIR={folder}/full {sys.executable} -m lipscribe transcribe {video}"
    )
    full = run(["unshare", "-m", "sh", "-ec", script], folder)
    return f"absent: read {absent.strip()!r}; full: read {full.strip()!r}"


def bare_debian(folder: Path) -> str:
    """A Debian 12 without anything but Python, if debootstrap is here."""
    if shutil.which("debootstrap") is None:
        raise LeftOut("needs debootstrap")
    root = folder / "debian"
    run(
        ["debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm", root],
        timeout=900,
    )
    shutil.copytree(ROOT, root / "lipscribe", ignore=shutil.ignore_patterns(".venv*", ".git", "trust-results"))
    # The way to the package index: a machine with a proxy or an index of its own says so in these.
    run(["cp", "-rL", "--remove-destination", "/etc/ssl/certs/.", root / "etc/ssl/certs"])
    for name in ("etc/resolv.conf", "etc/pip.conf"):
        if Path("/", name).is_file():
            shutil.copyfile(Path("/", name), root / name)
    script = (
        "python3 -m venv v && v/bin/pip install -q ./lipscribe -c lipscribe/constraints.txt && v/bin/lipscribe demo"
    )
    run(["chroot", root, "sh", "-ec", script], timeout=1200)
    return "installs and makes the demo"


def talker(folder: Path) -> Path:
    """A talking face; of the tests' golden files, so that nothing has to be drawn."""
    path = folder / "talker.mp4"
    if not path.exists():
        lipscribe("talk", "place red at c seven please", "--seed", "7", "-o", path)
    return path


def needs_root(*programs: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise LeftOut("needs Linux and root")
    if lacking := [name for name in programs if shutil.which(name) is None]:
        raise LeftOut(f"needs {', '.join(lacking)}")


def one_line(said: str) -> None:
    """Checks that a refusal is one clear line."""
    errors = [line for line in said.splitlines() if line.startswith(("error", "Error"))]
    if len(errors) != 1 or "Traceback" in said or "unexpected" in said:
        raise Failed(f"not one line: {said[-300:]!r}")


def rows(tests: bool) -> Mapping[str, Row]:
    pinned = {f"Python {v}": python(v, "constraints.txt", tests=tests) for v in ("3.11", "3.12", "3.13", "3.14")}
    return pinned | {
        "oldest dependencies, reader": python("3.11", "constraints-oldest.txt", tests=tests),
        "newest dependencies, reader": python("3.13", None, tests=tests),
        "locale C, UTF-8 mode off": locale(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
        "locale POSIX": locale(LC_ALL="POSIX"),
        "locale C, stdout in cp1252": locale(LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="cp1252"),
        "no home": homeless,
        "read-only packages": read_only_packages,
        "another user": other_user,
        "offline": offline,
        "behind a proxy": proxied,
        "temporary folder": temporary_folder,
        **{f"names: {name}": row for name, row in NAMES.items()},
        "bare Debian 12": bare_debian,
    }


def measure(name: str, row: Row) -> dict[str, Any]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lipscribe-compatibility-", ignore_cleanup_errors=True) as temporary:
        try:
            result, why = "passed", row(Path(temporary))
        except LeftOut as reason:
            result, why = "left out", str(reason)
        except (Failed, LipscribeError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            result, why = "FAILED", f"{type(error).__name__}: {error}" if not isinstance(error, Failed) else str(error)
    return {"row": name, "result": result, "why": why, "seconds": round(time.monotonic() - started, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows with this in their names")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--output", type=Path, default=ROOT / "trust-results" / "compatibility.json")
    args = parser.parse_args(arguments)
    if not any(args.only.lower() in name.lower() for name in rows(args.tests)):
        parser.error(f"no row's name holds {args.only!r}: some of {', '.join(rows(args.tests))}")
    found = []
    print("| where | result | what | s |\n|---|---|---|---|")
    for name, row in rows(args.tests).items():
        if args.only.lower() in name.lower():
            found.append(measure(name, row))
            one = found[-1]
            why = " ".join(one["why"].split()).replace("|", "\\|")[:300]
            print(f"| {name} | {one['result']} | {why} | {one['seconds']} |", flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    results = {"machine": platform.platform(), "rows": found}
    args.output.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    return 1 if any(one["result"] == "FAILED" for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
