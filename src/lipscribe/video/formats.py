"""Which formats and protocols libav may use for a file: those that hold their own data, so that it opens nothing else.

A playlist (HLS, DASH, ffconcat), a session description or a numbered name (`shot%d.jpg`) makes libav open whatever
files and addresses it names, under any suffix. A video of a stranger could so read others of this machine.
"""

import os
import re
from functools import cache

import av
import av.format

# Demuxers that open further files. Others of the kind, such as devices and RTSP, say so by a flag.
LISTS = ("avisynth", "concat", "dash", "dvdvideo", "hls", "imf", "sdp", "vapoursynth", "vobsub", "webm_dash_manifest")
WEB = "http,https,httpproxy,tls,tcp"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def scheme_of(path: str | os.PathLike[str]) -> str | None:
    """The scheme of an address, such as `https`; None of a file."""
    found = _SCHEME.match(path) if isinstance(path, str) else None
    return found[1].lower() if found else None


def open_options(path: str | os.PathLike[str]) -> dict[str, str]:
    """The options by which libav opens the file or address at `path`, and nothing that it names."""
    scheme = scheme_of(path)
    protocols = "file" if scheme is None else WEB if scheme in ("http", "https") else f"{scheme},tls,tcp,udp"
    return {"format_whitelist": _own_data(), "protocol_whitelist": protocols, "enable_drefs": "0"}


@cache
def _own_data() -> str:
    """The demuxers that read the file they are given and no other, in libav's list syntax."""
    return ",".join(name for name in sorted(av.formats_available) if name not in LISTS and _reads_a_file(name))


def _reads_a_file(name: str) -> bool:
    try:
        demuxer = av.ContainerFormat(name, "r")
    except ValueError:  # it is written only
        return False
    return not demuxer.flags & av.format.Flags.no_file.value
