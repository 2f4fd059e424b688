"""Two hours of film to clips: how many texts are right, how much of the speech is found, how fast, in how much memory.

python benchmarks/footage.py all work/ --hours 2            # makes the film, runs the command, scores
python benchmarks/footage.py cuts work/film-2h-sound.mp4 ../shared/cases   # our cuts beside PySceneDetect's

The film is made of talkers (`footage_film.py`), so that it is known who says what, when, and with a mouth that is seen.
A clip is right if the words said within it, all by the mouth that is seen, are exactly its text, and none is cut.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import av
from footage_film import draw_segments, join_film, plain

SLACK = 0.04  # seconds by which a word may reach over a clip's edge: a frame
FOUND = 0.1  # seconds that a clip may lack of a sentence which counts as found
CUT_SLACK = 2  # frames that a cut may be off


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("all")
    run.add_argument("folder", type=Path)
    run.add_argument("--hours", type=float, default=2.0)
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--silent", action="store_true", help="a film without sound")
    run.add_argument("--jobs", type=int, default=2)
    cuts = commands.add_parser("cuts")
    cuts.add_argument("film", type=Path)
    cuts.add_argument("cases", type=Path)
    cuts.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    if args.command == "all":
        run_all(args.folder, args.hours, args.seed, not args.silent, args.jobs)
    else:
        compare_cuts(args.film, args.cases, args.minutes)


def run_all(folder: Path, hours: float, seed: int, sound: bool, jobs: int) -> None:
    film = folder / f"film-{hours:g}h-{'sound' if sound else 'silent'}.mp4"
    if not film.with_suffix(".truth.json").exists():
        join_film(
            folder / f"segments-{seed}",
            draw_segments(folder / f"segments-{seed}", seed),
            film,
            3600 * hours,
            seed,
            sound,
        )
    seconds = json.loads(film.with_suffix(".truth.json").read_text())["num_frames"] / 25
    command = [sys.executable, "-m", "lipscribe", "clips", str(film)]
    took, cpu, _ = _timed([*command, "--report"])
    print(f"the report on a sample: {took:.1f} s ({cpu:.1f} s of CPU)")
    output = film.with_suffix(".jsonl")
    for path in (output, output.with_name(output.name + ".work")):
        path.unlink(missing_ok=True)
    took, cpu, peak_mb = _timed([*command, "-o", str(output), "--jobs", str(jobs)])
    print(f"{seconds:.0f} s of film in {took:.0f} s, {seconds / took:.1f} times real time with {jobs} processes")
    print(f"{cpu:.0f} s of CPU: {2 * seconds / cpu:.1f} times real time on two cores that do nothing else")
    print(f"most memory: {peak_mb[0]:.0f} MB of one process, {peak_mb[1]:.0f} MB of all together")
    score(film, output)


def _timed(command: list[str]) -> tuple[float, float, tuple[float, float]]:
    """Seconds, seconds of CPU, and the most memory (MB) of one process and of all together."""
    began, before = time.perf_counter(), os.times()
    process = subprocess.Popen(command)
    one = together = 0.0
    while process.poll() is None:
        sizes = [_resident_mb(pid) for pid in _family(process.pid)]
        one, together = max([one, *sizes]), max(together, sum(sizes))
        time.sleep(0.5)
    after = os.times()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - began, cpu, (one, together)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(other for child in children for other in _family(int(child)))]


def _resident_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def score(film: Path, output: Path) -> None:
    said = json.loads(film.with_suffix(".truth.json").read_text())["said"]
    clips = [json.loads(line) for line in output.open(encoding="utf-8")]
    statuses = [json.loads(line) for line in output.with_name(f"{output.stem}.status.jsonl").open(encoding="utf-8")]
    status = {line["id"]: line for line in statuses if line["status"] == "ok"}
    wrong, found, at = Counter(), set(), 0
    for clip in sorted(clips, key=lambda clip: clip["start"]):
        while at < len(said) and said[at]["words"][-1][2] < clip["start"] - 5:
            at += 1
        near = range(at, min(at + 12, len(said)))
        fault = _fault(clip, status[clip["id"]]["face"][0], [said[idx] for idx in near])
        wrong[fault] += 1
        if fault:
            print(f"wrong: {fault}: {clip['start']:.2f} to {clip['end']:.2f} {clip['text']!r}")
            continue
        found |= {
            idx
            for idx in near
            if clip["start"] < said[idx]["words"][0][1] + FOUND and said[idx]["words"][-1][2] - FOUND < clip["end"]
        }
    seen = {idx for idx, one in enumerate(said) if one["x"] is not None}
    right = wrong[""]
    print(f"{len(clips)} clips, {right} right: {right / max(len(clips), 1):.2%}")
    share = len(found & seen) / len(seen)
    print(f"found: {len(found & seen)} of {len(seen)} sentences that a mouth seen well says: {share:.1%}")
    print(f"aligned by a model: {sum(line['aligned'] for line in status.values())}")
    reasons = Counter(line["reason"] for line in statuses if line["status"] != "ok")
    print("left out: " + ", ".join(f"{number} {reason}" for reason, number in reasons.most_common()))


def _fault(clip: dict, x: float, said: list[dict]) -> str:
    """What is wrong with a clip; empty if it is right."""
    start, end = clip["start"], clip["end"]
    within = [(word, one) for one in said for word in one["words"] if word[2] > start + SLACK and word[1] < end - SLACK]
    if any(word[1] < start - SLACK or word[2] > end + SLACK for word, _ in within):
        return "a word is cut"
    if plain(" ".join(word[0] for word, _ in within)) != plain(clip["text"]):
        return "other words"
    if any(one["x"] is None for _, one in within):
        return f"no mouth says it ({within[0][1]['kind']})"
    if any(abs(one["x"] - x) > 0.2 for _, one in within):
        return "another face"
    return ""


def compare_cuts(film: Path, cases: Path, minutes: float) -> None:
    """Cuts by `mark_cuts` and by PySceneDetect's detectors, on part of the film and on the cases with known cuts."""
    truth = json.loads(film.with_suffix(".truth.json").read_text())["cuts"]
    last = round(minutes * 60 * 25)
    files = {film: [cut for cut in truth if cut < last]}
    files |= {path: KNOWN_CUTS[path.name] for path in sorted(cases.glob("*")) if path.name in KNOWN_CUTS}
    for name, find in (("ours", _our_cuts), ("AdaptiveDetector", _adaptive), ("ContentDetector", _content)):
        hits = extra = missed = 0
        took = frames = 0.0
        for path, known in files.items():
            began = time.process_time()
            cuts, num_frames = find(path, last)
            took, frames = took + time.process_time() - began, frames + num_frames
            matched = {cut for cut in known if any(abs(cut - other) <= CUT_SLACK for other in cuts)}
            false = [cut for cut in cuts if all(abs(cut - other) > CUT_SLACK for other in known)]
            hits, missed, extra = hits + len(matched), missed + len(known) - len(matched), extra + len(false)
            if path != film:
                print(f"  {name:17} {path.name:14} found {cuts}, known {known}")
        rate = frames / took
        precision, recall = hits / max(hits + extra, 1), hits / max(hits + missed, 1)
        print(
            f"{name:17} precision {precision:.1%}, recall {recall:.1%}, {rate:.0f} frames/s of CPU, decoding included"
        )


# Frames at which a shot begins, seen by eye.
KNOWN_CUTS: dict[str, list[int]] = {
    "broll.mp4": [44],
    "cutaway.mp4": [36],
    "g48.mp4": [],
    "interview.mp4": [75, 150],
    "late05.mp4": [],
    "zoom-cut.mp4": [30],
}


def _our_cuts(path: Path, last: int) -> tuple[list[int], int]:
    from lipscribe.faces.shots import mark_cuts
    from lipscribe.video import Video

    marks = [is_cut for _, is_cut in mark_cuts(Video(path, 25, 736, end=last / 25))]
    return [idx for idx, is_cut in enumerate(marks) if is_cut], len(marks)


def _adaptive(path: Path, last: int) -> tuple[list[int], int]:
    import scenedetect

    return _by_scenedetect(path, last, scenedetect.AdaptiveDetector())


def _content(path: Path, last: int) -> tuple[list[int], int]:
    import scenedetect

    return _by_scenedetect(path, last, scenedetect.ContentDetector())


def _by_scenedetect(path: Path, last: int, detector: object) -> tuple[list[int], int]:
    import scenedetect

    with av.open(str(path)) as container:
        num_frames = container.streams.video[0].frames or last
    video = scenedetect.open_video(str(path), backend="pyav")
    scenes = scenedetect.SceneManager()
    scenes.add_detector(detector)
    scenes.detect_scenes(video, end_time=last)
    return [int(start.frame_num) for start, _ in scenes.get_scene_list()[1:]], min(num_frames, last)


if __name__ == "__main__":
    main()
