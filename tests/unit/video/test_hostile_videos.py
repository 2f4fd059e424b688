"""Files made to do harm: lists of other files, decompression bombs, endless clocks."""

import functools
import math
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from numbered_videos import numbered, numbers_in, write_source
from PIL import Image

from lipscribe.errors import ConfigError, VideoError
from lipscribe.video import Video, probe_video
from lipscribe.video.canvas import usual_size
from lipscribe.video.formats import open_options
from lipscribe.video.movement import moving_streams
from lipscribe.video.probe import Pace, _Look
from lipscribe.video.source import Clock
from lipscribe.video.timeline import Timeline

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"
HLS_OF_HLS = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=64x64\n{0}\n"
CONCAT = "ffconcat version 1.0\nfile '{0}'\n"
DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="0" bandwidth="1000" width="64" height="64"><BaseURL>{0}</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
IMF = """<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">
<Id>urn:uuid:0eb3d1b9-b77b-4d3f-bbe5-7c69b15dca84</Id></CompositionPlaylist>"""
LISTS = {"hls": HLS, "hls of hls": HLS_OF_HLS, "concat": CONCAT, "dash": DASH, "sdp": SDP, "imf": IMF}


class Counting(BaseHTTPRequestHandler):
    def __init__(self, *args, asked: list[str], **kwargs):
        self.asked = asked
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """An address, and the paths that were asked for there."""
    paths: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Counting, asked=paths)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".mpd", ".sdp", ".xml", ".avi", ""])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused_whatever_its_name(tmp_path: Path, asked, kind: str, suffix: str):
    secret = write_source(tmp_path / "secret.mp4", numbered(20))
    address, paths = asked
    paths.clear()
    for target in (secret, secret.name, f"file:{secret}", f"{address}/clip.mp4"):
        path = tmp_path / f"list{suffix}"
        path.write_text(LISTS[kind].format(target))
        with pytest.raises(VideoError, match=r"list.*: .+; .+") as refused:
            Video(path)
        assert "\n" not in str(refused.value)
    assert not paths


def test_a_list_names_what_is_wrong(tmp_path: Path):
    (tmp_path / "list.mp4").write_text(CONCAT.format("secret.mp4"))
    with pytest.raises(VideoError, match="a playlist, or another text that names files: none of them is opened"):
        Video(tmp_path / "list.mp4")


def test_a_pattern_reads_no_numbered_files(tmp_path: Path):
    for number in range(1, 4):
        with av.open(str(tmp_path / f"shot{number}.jpg"), "w", format="mjpeg") as container:
            stream = container.add_stream("mjpeg", rate=25, options={"strict": "-1"})
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
            container.mux(stream.encode(None))
    for name in ("shot%d.jpg", "shot*.jpg"):
        (tmp_path / "shot1.jpg").replace(tmp_path / name)
        with pytest.raises(VideoError, match=r"shot.*: .+"):
            Video(tmp_path / name)
        (tmp_path / name).replace(tmp_path / "shot1.jpg")


def test_subtitles_with_a_file_beside_them_are_no_video(tmp_path: Path):
    (tmp_path / "clip.idx").write_text("# VobSub index file, v7 (do not modify this line!)\n")
    write_source(tmp_path / "clip.mpg", numbered(5), codec="mpeg1video").rename(tmp_path / "clip.sub")
    with pytest.raises(VideoError, match=r"clip\.idx: a playlist"):
        Video(tmp_path / "clip.idx")


def test_a_movie_that_refers_to_another_file_reads_none(tmp_path: Path):
    """A QuickTime data reference (`alis` by absolute path) in the place of the file itself."""
    secret = write_source(tmp_path / "secret.mp4", numbered(20))
    content = bytearray(secret.read_bytes())
    at = content.find(b"url \x00\x00\x00\x01")
    assert at > 0
    content[at : at + 8] = b"alis\x00\x00\x00\x00"  # not self-contained any more
    path = tmp_path / "refers.mov"
    path.write_bytes(bytes(content))
    read = _outcome(lambda: [frame.mean() for frame in Video(path)])
    assert isinstance(read, VideoError) or read  # its own data, or refused


def test_the_formats_left_out_are_those_that_open_files():
    allowed = open_options("clip.mp4")["format_whitelist"].split(",")
    for name in ("mov", "matroska", "avi", "mpegts", "gif", "mjpeg", "asf", "flv", "rm", "yuv4mpegpipe"):
        assert name in allowed
    for name in ("hls", "concat", "dash", "sdp", "rtsp", "rtp", "image2", "lavfi", "x11grab", "v4l2", "vobsub"):
        assert name not in allowed


@pytest.mark.parametrize(
    ("path", "protocols"),
    [
        ("clip.mp4", "file"),
        (Path("https:/x/clip.mp4"), "file"),
        ("https://example.org/clip.mp4", "http,https,httpproxy,tls,tcp"),
        ("HTTP://example.org/clip.mp4", "http,https,httpproxy,tls,tcp"),
        ("srt://example.org", "srt,tls,tcp,udp"),
    ],
)
def test_an_address_leads_to_no_file(path: str | Path, protocols: str):
    assert open_options(path)["protocol_whitelist"] == protocols


def test_a_playlist_at_an_address_is_refused(tmp_path: Path, asked):
    address, _ = asked
    with pytest.raises(VideoError, match=r"can't be fetched .*404"):
        probe_video(f"{address}/list.m3u8")


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except VideoError as error:
        return error


def write_sizes(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """An AVI that states the first size, and whose pictures (MJPEG, grey) have these."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], "yuvj420p"
        for idx, (width, height) in enumerate(sizes):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = (
                width,
                height,
                "yuvj420p",
                Fraction(1, 25),
            )
            for packet in [*encoder.encode(av.VideoFrame(width, height, "yuvj420p")), *encoder.encode(None)]:
                packet.pts = packet.dts = idx
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                container.mux(packet)
    return path


def test_pictures_beyond_8k_are_refused(tmp_path: Path):
    path = write_sizes(tmp_path / "huge.avi", [(8200, 4320)] * 2)
    with pytest.raises(VideoError, match=r"its pictures are 8200x4320, want up to 8192x4320 pixels; make them smaller"):
        Video(path)


def test_huge_pictures_within_a_video_are_damage(tmp_path: Path):
    video = Video(write_sizes(tmp_path / "grows.avi", [(160, 120)] * 5 + [(8200, 4320)] * 2 + [(160, 120)] * 5))
    assert {frame.shape for frame in video} == {(120, 160, 3)}
    assert any("damaged: packets lost or incomplete: 2" in warning for warning in video.warnings)


def test_a_webp_that_claims_huge_pictures_is_refused(tmp_path: Path):
    pictures = [Image.fromarray(picture) for picture in numbered(3)]
    path = tmp_path / "huge.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    content = bytearray(path.read_bytes())
    content[24:30] = b"\xff\x3f\x00\xff\x3f\x00"  # 16384x16384
    path.write_bytes(bytes(content))
    with pytest.raises(VideoError, match=r"its pictures are over 8192x4320 pixels"):
        Video(path)


def test_a_hole_of_days_is_closed_even_if_the_length_confirms_it(tmp_path: Path):
    days_ms = 11 * 24 * 3600 * 1000
    stamps_ms = [40 * idx for idx in range(10)] + [days_ms + 40 * idx for idx in range(10)]
    video = Video(write_source(tmp_path / "days.mkv", numbered(20), stamps_ms=stamps_ms))
    assert video.promised_duration == pytest.approx(days_ms / 1000, rel=1e-3)
    assert sum(1 for _ in video) == 20
    assert any("time stamps jump 1 times" in warning for warning in video.warnings)


def test_many_holes_are_believed_for_three_hours_in_all():
    timeline = Timeline(0.04, origin=0.0, until=1e9)
    for number in range(1000):
        timeline.place(number * 3600.0, None, None)
    assert timeline.end < 3 * 3600 + 1000


def test_a_first_picture_that_is_shown_after_days_begins_at_once():
    assert Timeline(0.04, origin=0.0, first=1e6, until=2e6).place(None)[0] == 0.0
    assert Timeline(0.04, origin=0.0, first=1e6, until=2e6).place(1e6)[0] == 0.0
    assert Timeline(0.04, origin=0.0, first=3.0).place(None)[0] == 3.0


def test_stamps_that_stand_still_are_an_absurd_rate(tmp_path: Path):
    """Times of decoding alone, most of them the same: the usual step was 0, and the rate a division by it."""
    steps = _Look(pts=[None] * 9, dts=[0.0] * 7 + [0.04, 0.08])
    with av.open(str(write_source(tmp_path / "clip.mp4", numbered(5)))) as container:
        stream = container.streams.video[0]
        pace = Pace.of(stream, steps, Clock.of(container, stream))
    assert (pace.fps, pace.absurd) == (25.0, math.inf)


def test_a_stream_without_key_pictures_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_source(tmp_path / "clip.mp4", numbered(20))
    monkeypatch.setattr("lipscribe.video.canvas._key_pictures", lambda *_: iter(()))
    assert usual_size(path, 0, 1.0, 0.8) is None
    assert probe_video(path).width == numbered(1)[0].shape[1]


def test_side_data_without_a_name_leaves_the_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Such as EXIF, of which PyAV 18 knows no name: reading any of a picture's side data raised ValueError."""

    def unknown(_: object) -> None:
        raise ValueError("31 is not a valid Type")

    for degrees in (0, 90, 180, 270):
        path = write_source(tmp_path / f"turned{degrees}.mp4", numbered(3), turn=(degrees,))
        known = probe_video(path).rotation
        with monkeypatch.context() as patched:
            patched.setattr("lipscribe.video.canvas.SideDataContainer", unknown)
            assert probe_video(path).rotation == known


def test_hundreds_of_streams_are_a_short_warning(tmp_path: Path):
    clip = write_source(tmp_path / "one.mp4", numbered(5), codec="mpeg4")
    path = tmp_path / "many.mkv"
    with av.open(str(clip)) as source, av.open(str(path), "w") as made:
        template = source.streams.video[0]
        streams = [made.add_stream_from_template(template) for _ in range(300)]
        for packet in source.demux(template):
            for stream in streams if packet.size else ():
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, template.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                made.mux(copy)
    video = Video(path)
    assert numbers_in(video) == list(range(5))
    (warning,) = video.warnings
    assert "8 (mpeg4, 96x64), 291 more; choose with --stream" in warning
    with pytest.raises(ConfigError, match=r"7 .*, 292 more"):
        Video(path, stream=999)


def test_damage_between_the_packets_of_several_streams_ends_the_comparison_of_them():
    def packets(_streams: object) -> Iterator[object]:
        raise av.error.InvalidDataError(1, "Invalid data found when processing input")
        yield

    container = SimpleNamespace(streams=SimpleNamespace(video=[SimpleNamespace(index=0)]), demux=packets)
    assert moving_streams(container, [0, 1]) == set()  # pyright: ignore[reportArgumentType]
