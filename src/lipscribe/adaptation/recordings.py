"""Videos and their texts, as clips: from a folder and a list of prompts, texts beside the videos, or a manifest."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lipscribe.adaptation.prompts import read_file, read_prompts, shown
from lipscribe.data.manifest import Clip, load_manifest
from lipscribe.errors import ManifestError
from lipscribe.text import count_of, normalise
from lipscribe.video_files import list_videos

NO_TEXT = "-"  # text of a clip whose text is not known: a manifest's texts are never empty


def find_recordings(
    sources: Sequence[str | Path] | str | Path, prompts: Path | str | None = None, untranscribed: bool = False
) -> list[Clip]:
    """The recordings of a person, in order.

    Args:
        sources: Videos, folders of them, and JSONL manifests (see `load_manifest`).
        prompts: What is said in the videos, see `read_prompts`. None takes the text beside each video: `name.txt` for
            `name.mp4`.
        untranscribed: Texts are not looked for; every text is `NO_TEXT`.

    Returns:
        Clips with normalised texts and absolute paths. Ids are the file names, made unique by numbers.

    Raises:
        ManifestError: There are no videos, a text is missing or empty, or the prompts name other files.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    clips: list[Clip] = []
    videos: list[Path] = []
    for path in map(Path, given):
        if path.suffix.lower() in (".jsonl", ".json"):
            clips += load_manifest(path)
        else:
            videos += _videos_of(path)
    if not clips and not videos:
        raise ManifestError("no recordings are given: give a folder of videos, videos, or a manifest (clips.jsonl)")
    if videos:
        texts = dict.fromkeys(videos, NO_TEXT) if untranscribed else _texts_of(videos, prompts)
        clips += [Clip(path.stem, str(path), text) for path, text in texts.items()]
    elif prompts is not None:
        raise ManifestError(f"a manifest has its own texts: leave out the prompts {prompts}, or give the videos alone")
    return _unique(
        replace(clip, path=os.path.abspath(clip.path), text=NO_TEXT if untranscribed else normalise(clip.text))  # noqa: PTH100
        for clip in clips
    )


def _videos_of(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise ManifestError(f"{path} does not exist: give a folder of videos, videos, or a manifest (clips.jsonl)")
        return [path]
    return [video for video in list_videos(path)[0] if isinstance(video, Path)]


def _texts_of(videos: Sequence[Path], prompts: Path | str | None) -> dict[Path, str]:
    if prompts is None:
        missing = [path.name for path in videos if not path.with_suffix(".txt").is_file()]
        if missing:
            raise ManifestError(
                f"{len(missing)} of {count_of(len(videos), 'recording')} have no text ({shown(missing)}): give "
                f"--prompts FILE, a text beside each video ({Path(missing[0]).stem}.txt), or --untranscribed"
            )
        texts = {path: read_file(path.with_suffix(".txt")) for path in videos}
    else:
        texts = dict(zip(videos, read_prompts(Path(prompts), videos), strict=True))
    if empty := [path.name for path, text in texts.items() if not normalise(text)]:
        raise ManifestError(f"the text of {shown(empty)} is empty: write what is said, or leave the recording out")
    return texts


def _unique(clips: Iterable[Clip]) -> list[Clip]:
    """The clips with ids that no two share."""
    found: list[Clip] = []
    seen: dict[str, int] = {}
    for clip in clips:
        number = seen[clip.id] = seen.get(clip.id, 0) + 1
        found.append(replace(clip, id=clip.id if number == 1 else f"{clip.id}-{number}"))
    return found
