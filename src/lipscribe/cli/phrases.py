"""`lipscribe adapt --phrases`."""

import sys
from pathlib import Path


def learn(recordings: Path, name: str, add: bool, prompts: Path | None, base: str | None) -> int:
    """`lipscribe adapt --phrases`; returns the exit code."""
    from lipscribe.adaptation.phrase_sources import find_recordings
    from lipscribe.adaptation.phrases import learn_phrases
    from lipscribe.cli.bars import bars
    from lipscribe.text import count_of
    from lipscribe.zoo.registry import DEFAULT_MODEL

    found = find_recordings(recordings, prompts)
    base = base or ("" if add else DEFAULT_MODEL)
    with bars() as progress:
        made = learn_phrases(found, name, base, add, progress, lambda line: print(line, file=sys.stderr))
    print(f"{count_of(len(made.texts), 'phrase')} from {count_of(made.num_recordings, 'recording')}", file=sys.stderr)
    if len(found) > made.num_new + len(made.failed):
        print(f"note: {len(found) - made.num_new - len(made.failed)} recordings were there already", file=sys.stderr)
    right, total = made.right
    if total:
        print(f"each compared with the others: {right} of {total} recordings are read right", file=sys.stderr)
    else:
        print("note: a second recording of each phrase makes it surer (--add)", file=sys.stderr)
    print(f"read with: lipscribe transcribe clip.mp4 --model {name}", file=sys.stderr)
    print(made.folder)
    return 1 if made.failed else 0
