"""Which formats and protocols libav may use for a file: those that hold their own data, so that it opens nothing else.

A playlist (HLS, DASH, ffconcat), a session description or a numbered name (`shot%d.jpg`) makes libav open whatever
files and addresses it names, under any suffix. A video of a stranger could so read others of this machine.
"""

import os
import urllib.request
from functools import cache
from urllib.parse import urlsplit

import av
import av.format

from lipscribe.errors import VideoError
from lipscribe.storage import scheme_of

# Demuxers that open further files. Others of the kind, such as devices and RTSP, say so by a flag.
LISTS = ("avisynth", "concat", "dash", "dvdvideo", "hls", "imf", "sdp", "vapoursynth", "vobsub", "webm_dash_manifest")
WEB = "http,https,httpproxy,tls,tcp"


def open_options(path: str | os.PathLike[str]) -> dict[str, str]:
    """The options by which libav opens the file or address at `path`, and nothing that it names."""
    scheme = scheme_of(path)
    web = scheme in ("http", "https")
    protocols = "file" if scheme is None else WEB if web else f"{scheme},tls,tcp,udp"
    options = {"format_whitelist": _own_data(), "protocol_whitelist": protocols, "enable_drefs": "0"}
    return options | {"http_proxy": proxy_of(str(path))} if web else options


def proxy_of(address: str) -> str:
    """The proxy of an address by the system's settings, such as `http://proxy:3128`; empty where there is none.

    libav by itself knows `http_proxy` and `no_proxy` in lower case alone, and takes the one for https too.

    Raises:
        VideoError: It is no address.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise VideoError(f"{address}: is no address ({error}); check it") from None
    proxy = urllib.request.getproxies().get(parts.scheme.lower(), "")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


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
