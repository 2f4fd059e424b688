"""A copy of a video with the words that were read in it, and with its own sound."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from lipscribe.atomic import writing_path
from lipscribe.errors import LipscribeError
from lipscribe.storyboard import caption_frames
from lipscribe.transcript import Transcript
from lipscribe.units import Seconds
from lipscribe.video import Video, save_video

FPS = 25.0
SOUND_RATE_HZ = 48_000


def write_captioned(video: str | Path, transcript: Transcript, path: Path) -> None:
    """Writes an MP4 of 25 frames a second: the video with a band under it, in which each word appears as it is spoken.

    Sound is kept, as AAC; what of it cannot be decoded is left out.

    Args:
        video: What was read.
        transcript: With word times.
        path: Where to.

    Raises:
        LipscribeError: The video cannot be read, or the file cannot be written.
    """
    silent = path.with_name(f".{path.name[:40]}.silent.mp4")
    try:
        frames = Video(video, FPS)
        save_video(silent, caption_frames(frames, transcript.words, FPS), FPS)
        with writing_path(path) as partial:
            _join(silent, str(video), partial)
    except (OSError, av.FFmpegError) as error:
        raise LipscribeError(f"{path} cannot be written ({error.strerror}): give another file with --output") from None
    finally:
        with suppress(OSError):
            silent.unlink()


def _join(pictures: Path, video: str, path: Path) -> None:
    """The pictures of one file with the sound of another, which begins when its container does."""
    with av.open(str(pictures)) as shown, av.open(video) as source, av.open(str(path), "w", format="mp4") as joined:
        picture = joined.add_stream_from_template(shown.streams.video[0])
        sound = joined.add_stream("aac", rate=SOUND_RATE_HZ, layout="stereo") if source.streams.audio else None
        for packet in shown.demux(shown.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                joined.mux(packet)
        if sound is not None:
            begin = (source.start_time or 0) / av.time_base
            for frame in _sound(source, begin):
                joined.mux(sound.encode(frame))
            joined.mux(sound.encode(None))


def _sound(source: av.container.InputContainer, begin: Seconds) -> Iterator[AudioFrame]:
    """Sound as the encoder wants it, its times counted from `begin`; it ends where it is damaged."""
    resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE_HZ)
    with suppress(av.FFmpegError):
        for frame in source.decode(source.streams.audio[0]):
            if frame.pts is not None:
                frame.pts -= round(begin / frame.time_base)
            yield from resampler.resample(frame)
        yield from resampler.resample(None)
