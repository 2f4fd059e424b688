"""The pictures of a stream in the order of display, decoded through damage."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.container
import av.error

from lipscribe.video.interlacing import Deinterlacer, FieldOrder

MAX_FAILURES = 100  # reads in a row that may fail before the rest of a damaged file is given up.


@dataclass
class Damage:
    """What couldn't be read or decoded; reading went on."""

    num_failures: int = 0
    reason: str = ""  # of the first failure
    num_pictures: int = 0
    num_corrupt: int = 0
    first_corrupt: int = 0  # its place among the pictures, from 1
    new_stream: bool = False  # whether a further stream turned up while the file was read

    def add(self, reason: str) -> None:
        """Counts one failure."""
        self.num_failures += 1
        self.reason = self.reason or reason

    def warnings(self) -> list[str]:
        """What was wrong, in words."""
        found = []
        if self.num_failures:
            found.append(f"damaged: packets lost or incomplete: {self.num_failures} (the first: {self.reason})")
        if self.new_stream:
            found.append("damaged, or joined from several: a further stream turns up within the file and is not read")
        if self.num_corrupt and self.first_corrupt == self.num_pictures:
            found.append(f"cut off in picture {self.num_pictures}, which is only partly there; copy or record it again")
        elif self.num_corrupt:
            which = f"{self.num_corrupt} of {self.num_pictures}, the first is picture {self.first_corrupt}"
            found.append(f"damaged: pictures only partly there: {which}")
        return found


def read_packets(
    container: av.container.InputContainer, stream: av.VideoStream, damage: Damage
) -> "Iterator[av.Packet[av.VideoStream]]":
    """Packets of the stream, past damage for as long as the container can find more."""
    failures = 0
    broken = None
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(stream):
                if not packet.size:  # a dropped picture (AVI) or the end; a decoder would take both for the end
                    continue
                if broken is not None:
                    damage.add("incomplete")
                    yield broken
                broken = packet if packet.is_corrupt else None
                if broken is None:
                    yield packet
                failures = 0
            break
        except av.FFmpegError as error:
            failures += 1
            damage.add(str(error.strerror))
        except IndexError:  # PyAV has room only for the streams that were there when it began; what follows is read
            failures += 1
            damage.new_stream = True
    if broken is not None:  # the file ends in it; its failure would make a threaded decoder withhold whole pictures
        damage.add("cut off")


def pictures_in(
    stream: av.VideoStream, packet: "av.Packet[av.VideoStream] | None", damage: Damage
) -> list[av.VideoFrame]:
    """Pictures that the decoder gives out after this packet; None asks for those that it still holds."""
    try:
        pictures = stream.decode(packet)
    except av.FFmpegError as error:
        if not isinstance(error, av.error.EOFError):  # asked twice for what it still holds
            damage.add(str(error.strerror))
        return []
    for picture in pictures:
        picture.time_base = stream.time_base  # PyAV leaves it out of the last ones
        damage.num_pictures += 1
        if picture.is_corrupt:
            damage.num_corrupt += 1
            damage.first_corrupt = damage.first_corrupt or damage.num_pictures
    return pictures


def read_pictures(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    damage: Damage,
    *,
    by_dts: bool = False,
    woven: FieldOrder | None = None,
) -> Iterator[av.VideoFrame]:
    """All pictures in the order of display, deinterlaced; `pts` is None where the file has no time for one.

    Args:
        by_dts: Take the times at which pictures are decoded: AVI knows no others, and these rise in the order of
            display too. Mixed with the times of display they would not, so that it is one or the other.
        woven: Which half of the pictures comes first, if they are interlaced and don't say so.
    """
    deinterlacer = Deinterlacer(woven)
    for packet in itertools.chain(read_packets(container, stream, damage), [None]):
        for picture in pictures_in(stream, packet, damage):
            if by_dts:
                picture.pts = picture.dts
            yield from deinterlacer.push(picture)
    yield from deinterlacer.flush()
