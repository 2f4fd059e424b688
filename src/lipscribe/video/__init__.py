"""A video file as frames (T, H, W, 3) uint8 RGB at a steady rate, and back.

`source` opens a file and picks a stream, `probe` says what it is, `decode` gives its pictures, `timeline` says which of
them is on screen when, `canvas` draws them, `video` is all of it; `write` saves.
"""

from lipscribe.video.probe import VideoInfo, probe_video
from lipscribe.video.video import Video
from lipscribe.video.write import save_video

__all__ = ["Video", "VideoInfo", "probe_video", "save_video"]
