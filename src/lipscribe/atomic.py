"""Text files that are complete or absent, whenever the program ends."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes a file under a name of its own in the same folder, and only then gives it its name."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)
