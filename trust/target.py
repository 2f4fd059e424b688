"""What is fuzzed: a file, valid examples of it, and what reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: In reports.
        file: The file that is mutated, in a folder that `make` fills with valid ones.
        make: By the project's own writers where it has them.
        read: Reads the folder, and checks what comes out; an AssertionError is a finding.
        modules: Those that read it, if they are Python throughout: Atheris follows their branches.
        more: Other valid contents of the file.
        outputs: Names, or their endings, of files that `read` may leave.
    """

    name: str
    file: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    modules: tuple[str, ...] = ()
    more: tuple[bytes, ...] = ()
    outputs: tuple[str, ...] = (".lock",)

    def writes(self, path: Path) -> bool:
        """Whether `read` may leave this file."""
        return path.name.endswith(self.outputs)


def put(path: Path, content: str | bytes = b"") -> Path:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
