"""The rows of `trust.compatibility` on names, line ends and encodings as Windows and macOS have them."""

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from lipscribe.cli.results import all_different
from lipscribe.data.manifest import load_manifest
from lipscribe.search.grammar_file import load_grammar, load_phrases
from trust.compatibility_rows import ROOT, Failed, lipscribe

CLIP = ROOT / "tests/golden/faces.mp4"


def refused(*command: object) -> str:
    """Runs a command that is to be refused in one line, and gives the line."""
    said = lipscribe(*command, code=None)
    errors = [line for line in said.splitlines() if line.startswith(("error", "Error"))]
    if len(errors) != 1 or "unexpected" in said or "Traceback" in said:
        raise Failed(f"not one line: {said[-300:]!r}")
    return errors[0]


def manifest(folder: Path, path: str, clip_id: str = "a", encoding: str = "utf-8") -> Path:
    file = folder / "manifest.jsonl"
    record = {"id": clip_id, "path": path, "text": "red", "speaker": "s1", "split": "train"}
    file.write_bytes(f"{json.dumps(record)}\r\n".encode(encoding))
    return file


def line_ends(folder: Path) -> str:
    """CRLF and a byte order mark, as Notepad writes them."""
    texts = {"phrases": "turn left\r\nstop : 5\r\n", "grammar": "# a comment\r\n<s> = red |\r\n  green\r\n"}
    for name, text in texts.items():
        for number, encoded in enumerate((text, text.replace("\r", ""))):
            (folder / f"{name}{number}.txt").write_bytes(encoded.encode("utf-8" if number else "utf-8-sig"))
    if repr(load_phrases(folder / "phrases0.txt")) != repr(load_phrases(folder / "phrases1.txt")):
        raise Failed("phrases differ")
    if repr(load_grammar(folder / "grammar0.txt")) != repr(load_grammar(folder / "grammar1.txt")):
        raise Failed("grammars differ")
    if load_manifest(manifest(folder, "a.mp4", encoding="utf-8-sig"))[0].text != "red":
        raise Failed("the manifest differs")
    return "manifest, grammar and phrases read as with plain line ends"


def utf_16(folder: Path) -> str:
    """UTF-16 with a byte order mark, as older Windows programs write it."""
    (folder / "words.txt").write_text("turn left\n", encoding="utf-16")
    (folder / "config.yaml").write_text("output: runs/x\n", encoding="utf-16")
    lines = [
        refused("transcribe", CLIP, "--phrases", folder / "words.txt"),
        refused("transcribe", CLIP, "--grammar", folder / "words.txt"),
        refused(
            "prepare", "manifest", "--root", manifest(folder, "a.mp4", encoding="utf-16"), "--output", folder / "out"
        ),
        refused("train", folder / "config.yaml"),
    ]
    return f"refused in one line, such as {lines[0][-100:]!r}"


def drive_letters(folder: Path) -> str:
    """Paths and ids of Windows in a manifest."""
    clip_id = refused(
        "prepare", "manifest", "--root", manifest(folder, "a.mp4", "C:\\films\\a"), "--output", folder / "out"
    )
    said = lipscribe(
        "prepare", "manifest", "--root", manifest(folder, "C:\\films\\a.mp4"), "--output", folder / "out", code=None
    )
    if "Traceback" in said or "unexpected" in said or "films" not in said:
        raise Failed(said[-300:])
    return f"an id: {clip_id[-120:]!r}; a video that is not here is named"


def one_folder_for_both(folder: Path) -> str:
    """Names that differ in case or in how an accent is written, in a folder that takes them for one."""
    composed = unicodedata.normalize("NFC", "é")
    given = ["a", "A", composed, unicodedata.normalize("NFD", "é"), composed.upper()]
    names = all_different(given)
    if len({unicodedata.normalize("NFC", name).casefold() for name in names}) != len(given):
        raise Failed(f"{names} are not different there")
    return f"{' '.join(names[:2])} ... are different there too"


def decomposed(folder: Path) -> str:
    """A name in the form in which macOS gives it (NFD)."""
    name = unicodedata.normalize("NFD", "Größe é.mp4")
    shutil.copyfile(CLIP, folder / name)
    lipscribe("transcribe", folder / name, "-o", folder / "out", "--format", "json")
    found = [path.stem for path in (folder / "out").iterdir()]
    if found != [Path(name).stem]:
        raise Failed(f"wrote {found}")
    return "read, and its result has the same name"


def reserved(folder: Path) -> str:
    """Names that Windows keeps for devices, and that end in a dot or space."""
    for name in ("CON.mp4", "nul.mp4", "aux. .mp4", "a:b?.mp4"):
        shutil.copyfile(CLIP, folder / name)
        lipscribe("transcribe", folder / name)
    return "read where the system has them; nothing else is named after them"


def long_paths(folder: Path) -> str:
    """Paths beyond Windows' 260 characters, and beyond what this system has."""
    deep = folder.joinpath(*["d" * 60] * 6)
    deep.mkdir(parents=True)
    shutil.copyfile(CLIP, deep / "a.mp4")
    lipscribe("transcribe", deep / "a.mp4", "-o", deep / "out", "--format", "json")
    line = refused("transcribe", CLIP, "-o", folder / ("x" * 300 + ".txt"))
    refused("transcribe", "y" * 5000 + ".mp4")
    return f"{len(str(deep))} characters work; longer: {line[-80:]!r}"


NAMES: dict[str, Callable[[Path], str]] = {
    "CRLF and byte order marks": line_ends,
    "UTF-16": utf_16,
    "drive letters": drive_letters,
    "case-insensitive folders": one_folder_for_both,
    "accents as on macOS": decomposed,
    "reserved on Windows": reserved,
    "long paths": long_paths,
}
