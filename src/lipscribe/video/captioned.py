"""A copy of a video with the words that were read in it, and with its own sound."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import av.container
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from lipscribe.atomic import writing_path
from lipscribe.errors import LipscribeError
from lipscribe.storyboard import caption_frames
from lipscribe.transcript import Transcript
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video, save_video
from lipscribe.video.source import open_sound

SOUND_RATE_HZ = 48_000


def write_captioned(video: Video, transcript: Transcript, path: Path) -> None:
    """Writes an MP4: the video with a band under it, in which each word appears as it is spoken.

    Sound is kept, as AAC; what of it cannot be decoded is left out.

    Args:
        video: What was read; of a range of time that alone is written.
        transcript: With word times.
        path: Where to.

    Raises:
        LipscribeError: The video cannot be read, or the file cannot be written.
    """
    silent = path.with_name(f".{path.name[:40]}.silent.mp4")
    try:
        begin = frame_to_seconds(video.first_frame, video.fps)
        words = [replace(word, start=word.start - begin, end=word.end - begin) for word in transcript.words]
        save_video(silent, caption_frames(video, words, video.fps), video.fps)
        with writing_path(path) as partial:
            _join(silent, str(video.info.path), begin, partial)
    except (OSError, av.FFmpegError) as error:
        raise LipscribeError(f"{path} cannot be written ({error.strerror}): give another file with --output") from None
    finally:
        with suppress(OSError):
            silent.unlink()


def _join(pictures: Path, video: str, begin: Seconds, path: Path) -> None:
    """The pictures of one file with the sound of another, `begin` seconds after its container does."""
    with av.open(str(pictures)) as shown, open_sound(video) as heard, av.open(str(path), "w", format="mp4") as joined:
        picture = joined.add_stream_from_template(shown.streams.video[0])
        sound = joined.add_stream("aac", rate=SOUND_RATE_HZ, layout="stereo") if heard else None
        for packet in shown.demux(shown.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                joined.mux(packet)
        if heard is not None and sound is not None:
            source, stream, origin = heard
            begin += origin
            for frame in _sound(source, stream, begin, begin + (shown.duration or 0) / av.time_base):
                joined.mux(sound.encode(frame))
            joined.mux(sound.encode(None))


def _sound(
    source: av.container.InputContainer, stream: av.AudioStream, begin: Seconds, end: Seconds
) -> Iterator[AudioFrame]:
    """Sound as the encoder wants it, from `begin` to `end` of the file; it ends where it is damaged."""
    resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE_HZ, frame_size=1024)
    with suppress(av.FFmpegError):
        for decoded in itertools.chain(source.decode(stream), [None]):
            for frame in resampler.resample(decoded):
                if frame.pts is None or frame.time_base is None or frame.pts * frame.time_base < begin:
                    continue
                if frame.pts * frame.time_base >= end:
                    return
                frame.pts -= round(begin / frame.time_base)
                yield frame
