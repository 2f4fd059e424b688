"""Where results go."""

from pathlib import Path

from lipscribe.errors import LipscribeError


def result_folder(folder: Path) -> Path:
    """Makes a folder for results.

    Raises:
        LipscribeError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".lipscribe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LipscribeError(f"output {folder} cannot be written ({error.strerror}): give another folder") from None
    return folder


def result_paths(sources: list[Path], folder: Path | None, suffix: str) -> list[Path | None]:
    """One path for each source in `folder`, all different: `a.srt`, and `a-2.srt` for the next source called `a`.

    Without a suffix they are names of folders.
    """
    if folder is None:
        return [None] * len(sources)
    result_folder(folder)
    used: set[str] = set()
    paths: list[Path | None] = []
    for source in sources:
        name, number = source.stem, 1
        while name in used:
            number += 1
            name = f"{source.stem}-{number}"
        used.add(name)
        paths.append(folder / (f"{name}.{suffix}" if suffix else name))
    return paths
