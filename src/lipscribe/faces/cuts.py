"""Cuts in mid-speech, after which, or before which, the speaker cannot be seen."""

from collections.abc import Sequence

from lipscribe.faces.track import MAX_GAP_AT_CUT, FaceTrack
from lipscribe.units import frame_to_seconds


def cut_warnings(tracks: Sequence[FaceTrack], num_frames: int, first_frame: int = 0) -> list[str]:
    """What to tell a user of sentences that cuts tear apart, a line at most.

    Args:
        tracks: What `choose_faces` chose, so that who goes on after a cut has one track.
        num_frames: How many were read.
        first_frame: Which frame of the file the first of them is.
    """
    cuts = sorted({cut for track in tracks for cut in _torn_at(track, num_frames)})
    if not cuts:
        return []
    at = f"{frame_to_seconds(first_frame + cuts[0], tracks[0].fps):.2f} s"
    if len(cuts) == 1:
        return [f"the speaker is cut off in mid-speech at {at}: words around it may be wrong or missing"]
    return [
        f"the speaker is cut off in mid-speech {len(cuts)} times, first at {at}: words around the cuts may be wrong or "
        "missing"
    ]


def _torn_at(track: FaceTrack, num_frames: int) -> list[int]:
    """The cuts, frames of the video, at which a track begins or ends with a mouth that speaks."""
    if track.shot_start is None or track.shot_frames is None:
        return []
    begin, end = track.shot_start, track.shot_start + track.shot_frames
    nearby = MAX_GAP_AT_CUT * track.fps
    torn = []
    if begin > 0 and track.start - begin <= nearby and track.speaks_at_start:
        torn.append(begin)
    if end < num_frames and end - track.stop <= nearby and track.speaks_at_end:
        torn.append(end)
    return torn
