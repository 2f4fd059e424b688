"""`lipscribe serve` as its clients use it: a real server, real videos, the official client."""

import io
import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("openai", reason="needs openai: make setup")

import httpx
import openai
from running_server import SAID, draw_clip, own_cache, running, started, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lipscribe.video import Video
from trust.server_process import metric

pytestmark = pytest.mark.slow

TRANSCRIPTIONS = "/v1/video/transcriptions"
MB = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from own_cache(tmp_path_factory)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talker who says `SAID`."""
    return draw_clip(tmp_path_factory)


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[str]:
    with running(idle_timeout=2.0, max_upload_bytes=20 * MB, max_duration=60.0, workers=2) as address:
        yield address


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{server}/v1", max_retries=0) as client:
        yield client


def post(
    address: str, clip: Path | bytes, path: str = TRANSCRIPTIONS, name: str = "clip.mp4", **fields
) -> httpx.Response:
    content = clip if isinstance(clip, bytes) else clip.read_bytes()
    return httpx.post(f"{address}{path}", files={"file": (name, content)}, data=fields, timeout=120)


def head_of(length: int) -> bytes:
    """The head of a request with a bare video of so many bytes."""
    lines = ("Host: localhost", "Content-Type: video/mp4", f"Content-Length: {length}")
    return "\r\n".join([f"POST {TRANSCRIPTIONS} HTTP/1.1", *lines, "", ""]).encode()


def message(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert error["message"] and "\n" not in error["message"] and "Traceback" not in error["message"]
    return error["message"]


def is_clean(server: str, cache: Path) -> bool:
    """Whether no upload is left, and the server answers."""
    left = list(cache.glob("serve/run-*/upload-*")) + list(cache.glob("serve/run-*/stream-*"))
    return not left and httpx.get(f"{server}/healthz").status_code == 200


def test_every_format(server: str, clip: Path):
    assert post(server, clip).json()["text"] == SAID
    assert post(server, clip, response_format="text").text == SAID + "\n"
    srt = post(server, clip, "/v1/audio/transcriptions", response_format="srt").text
    assert srt.startswith("1\n00:00:0") and SAID in srt
    assert post(server, clip, response_format="vtt").text.startswith("WEBVTT\n\n00:00:0")
    verbose = post(
        server, clip, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}
    ).json()
    assert [word["word"] for word in verbose["words"]] == SAID.split()
    assert verbose["segments"][0]["text"] == SAID and 0 < verbose["segments"][0]["familiarity"] <= 1
    assert verbose["duration"] == 3.0 and verbose["face_coverage"] == 1.0 and verbose["warnings"] == []
    assert all(0 < word["probability"] <= 1 and len(word["alternatives"]) <= 3 for word in verbose["words"])
    assert any(word["alternatives"] for word in verbose["words"])


def test_a_bare_video_is_an_upload_too(server: str, clip: Path):
    answer = httpx.post(
        server + TRANSCRIPTIONS, content=clip.read_bytes(), headers={"content-type": "video/mp4"}, timeout=60
    )
    assert answer.json()["text"] == SAID


def test_the_official_client(client: openai.OpenAI, clip: Path):
    create = client.audio.transcriptions.create
    with clip.open("rb") as file:
        assert create(model="talkers", file=file).text == SAID
        file.seek(0)
        assert SAID in create(model="talkers", file=file, response_format="srt")
        file.seek(0)
        verbose = create(model="talkers", file=file, response_format="verbose_json", timestamp_granularities=["word"])
        assert [word.word for word in verbose.words] == SAID.split()
        assert 0 < verbose.words[0].start < verbose.words[0].end < verbose.words[-1].end < 3
        assert verbose.segments is None
        file.seek(0)
        diarized = create(model="talkers", file=file, response_format="diarized_json")
        assert [(turn.speaker, turn.text) for turn in diarized.segments] == [("face 0", SAID)]


def test_the_official_client_streams(client: openai.OpenAI, clip: Path):
    with clip.open("rb") as file:
        events = list(client.audio.transcriptions.create(model="talkers", file=file, stream=True))
    assert [event.type for event in events] == [
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.done",
    ]
    assert events[0].delta == events[2].text == SAID
    assert events[1].speaker == "face 0"


def test_the_official_client_reports_errors(client: openai.OpenAI, clip: Path):
    with pytest.raises(openai.NotFoundError, match="give one of grid"), clip.open("rb") as file:
        client.audio.transcriptions.create(model="whisper-1", file=file)
    with pytest.raises(openai.UnprocessableEntityError, match="not a video"):
        client.audio.transcriptions.create(model="talkers", file=io.BytesIO(b"no video at all" * 100), stream=True)
    models = client.models.list().data
    assert {"grid", "talkers"} <= {model.id for model in models}
    assert client.models.retrieve("talkers").reads


def test_phrases_grammar_nbest(server: str, clip: Path, client: openai.OpenAI):
    phrases = ["place red at c seven please", "lay blue by d one again"]
    assert post(server, clip, phrases=json.dumps(phrases)).json()["text"] == SAID
    assert post(server, clip, phrases="lay blue by d one again : 1000\nset green in z two now").json()["text"] != SAID
    with clip.open("rb") as file:
        read = client.audio.transcriptions.create(model="talkers", file=file, extra_body={"phrases": phrases})
    assert read.text == SAID
    grammar = "<sentence> = place (red | blue) at c <digit> please\n<digit> = seven | one"
    many = post(server, clip, grammar=grammar, nbest=2, response_format="verbose_json").json()
    texts = [each["text"] for each in many["nbest"][0]["texts"]]
    assert texts[0] == SAID and len(texts) == 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": "/etc/passwd"}, "no model"),
        ({"model": "../../assets/models/grid"}, "no model"),
        ({"response_format": "xml"}, "give one of json, text"),
        ({"frase": "x"}, "no field 'frase'"),
        ({"face": "left"}, "or the number of a face"),
        ({"face": "7"}, "face"),
        ({"nbest": "1000000"}, "from 1 to 50"),
        ({"stream": "perhaps"}, "true or false"),
        ({"stream_index": "5"}, "no video stream 5"),
        ({"phrases": "one", "grammar": "<s> = two"}, "send one of them"),
        ({"phrases": "[1]"}, "list of strings"),
        ({"grammar": "<s> = (((("}, "grammar"),
        ({"phrases": "entirely unknown"}, "unknown"),
        ({"timestamp_granularities[]": "word"}, "for response_format verbose_json"),
    ],
)
def test_wrong_fields(server: str, clip: Path, fields: dict[str, str], told: str):
    answer = post(server, clip, **fields)
    assert 400 <= answer.status_code < 500
    assert told in message(answer)
    assert "/run-" not in answer.text


def test_a_grammar_that_grows_beyond_measure(server: str, clip: Path):
    doubled = "\n".join(f"<a{number}> = <a{number + 1}> <a{number + 1}>" for number in range(40))
    answer = post(server, clip, grammar=f"{doubled}\n<a40> = red | blue")
    assert 400 <= answer.status_code < 500
    assert message(answer)


def test_other_things_made_of_a_video(server: str, clip: Path, tmp_path: Path):
    found = post(server, clip, "/v1/video/inspections").json()
    assert found["verdict"] == "good" and found["info"]["width"] > 0 and "path" not in found["info"]
    assert len(found["lines"]) == len(found["findings"])
    whole = Video(clip, 25)
    for what in ("captioned", "mouths"):
        made = tmp_path / f"{what}.mp4"
        answer = post(server, clip, f"/v1/video/{what}")
        assert answer.headers["content-type"] == "video/mp4"
        made.write_bytes(answer.content)
        video = Video(made, 25)
        assert len(video.read()) == len(whole.read())
        assert (
            (video.info.height > whole.info.height) if what == "captioned" else (video.info.width == video.info.height)
        )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100_000,
        b"MZ" + bytes(range(256)) * 50,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    ],
)
def test_what_is_no_video(server: str, cache: Path, content: bytes):
    answer = post(server, content)
    assert answer.status_code in (400, 422)
    assert message(answer)
    assert "/run-" not in answer.text and "root:" not in answer.text
    assert is_clean(server, cache)


def test_playlists_open_no_other_file(server: str, clip: Path):
    """FFmpeg's lists of files are no way to other files of this machine."""
    for listed in (f"ffconcat version 1.0\nfile '{clip}'\n", f"#EXTM3U\n#EXTINF:3,\n{clip}\n#EXT-X-ENDLIST\n"):
        for name in ("list.ffconcat", "list.m3u8"):
            assert post(server, listed.encode(), name=name).status_code == 422


@pytest.mark.parametrize(
    "name", ["../../../../tmp/escaped.mp4", "/etc/escaped", "a\0b", "x" * 5000, "'; rm -rf /;.mp4"]
)
def test_file_names_are_not_used(server: str, clip: Path, cache: Path, name: str):
    answer = post(server, clip, name=name)
    assert answer.status_code == 400 if len(name) > 4000 else answer.json()["text"] == SAID
    assert not Path("/tmp/escaped.mp4").exists() and not Path("/etc/escaped").exists()
    assert is_clean(server, cache)


def test_two_gigabytes_of_zeros(server: str, cache: Path, tmp_path: Path):
    zeros = tmp_path / "zeros.mp4"
    with zeros.open("wb") as file:
        file.truncate(2_000_000_000)
    before = metric(server, "lipscribe_upload_bytes_total")
    with zeros.open("rb") as file:
        answer = httpx.post(server + TRANSCRIPTIONS, files={"file": file}, timeout=60)
    assert answer.status_code == 413
    assert "over 20 MB" in message(answer)
    answer = httpx.post(server + TRANSCRIPTIONS, content=_endless(), headers={"content-type": "video/mp4"}, timeout=60)
    assert answer.status_code == 413
    assert metric(server, "lipscribe_upload_bytes_total") - before < 25 * MB
    assert is_clean(server, cache)


def _endless() -> Iterator[bytes]:
    for _ in range(2000):
        yield bytes(MB)


def test_a_slow_head_is_not_awaited(server: str):
    address = server.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as slow:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 10_000:
                slow.send(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - begun >= 1.9


def test_a_slow_body_is_not_awaited(server: str, cache: Path):
    address = server.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as slow:
        slow.sendall(head_of(9000) + b"some")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    wait_for(lambda: is_clean(server, cache))


def test_a_client_that_leaves(server: str, cache: Path, clip: Path, tmp_path: Path):
    frames = Video(clip, 25).read()
    long = tmp_path / "long.mp4"
    from lipscribe.video import save_video

    save_video(long, (frame for _ in range(15) for frame in frames), 25, preset="ultrafast")
    before = metric(server, "lipscribe_left_total")
    address = server.removeprefix("http://").split(":")
    content = long.read_bytes()
    with socket.create_connection((address[0], int(address[1]))) as leaving:
        leaving.sendall(head_of(len(content)) + content)
        wait_for(lambda: metric(server, "lipscribe_jobs") == 1)
    wait_for(lambda: metric(server, "lipscribe_left_total") == before + 1)
    wait_for(lambda: metric(server, "lipscribe_jobs") == 0)
    wait_for(lambda: is_clean(server, cache))
    assert post(server, clip).json()["text"] == SAID


def test_beyond_the_queue(cache: Path, clip: Path):
    with running(workers=1, queue=1) as address:
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(post(address, clip))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(int(answer.headers["retry-after"]) >= 1 and "try again in" in message(answer) for answer in refused)
        assert all(answer.json()["text"] == SAID for answer in answers if answer.status_code == 200)
        assert post(address, clip).status_code == 200


def test_live_frames(server: str, clip: Path):
    import cv2

    with connect(server.replace("http", "ws") + "/v1/stream", compression=None) as socket:
        socket.send(json.dumps({"type": "start", "input": "frames", "alternatives": 2}))
        ready = json.loads(socket.recv())
        assert ready == {"type": "ready", "model": "talkers", "fps": 25.0}
        messages = []

        def listen() -> None:
            messages.extend(json.loads(text) for text in socket)

        listening = threading.Thread(target=listen)
        listening.start()
        before = metric(server, "lipscribe_frames_total")
        for number, frame in enumerate(Video(clip, 25)):
            jpeg = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            socket.send(struct.pack("<d", 100 + number / 25) + jpeg)
            if number % 8 == 7:  # so that none is dropped, on a busy machine
                wait_for(lambda count=number: metric(server, "lipscribe_frames_total") - before > count)
        socket.send(json.dumps({"type": "finish"}))
        listening.join()
    kinds = {each["type"] for each in messages}
    assert {"words", "utterance", "framing", "done"} <= kinds, messages
    committed = [word for each in messages if each["type"] == "words" for word in each["committed"]]
    read = [word["word"] for word in committed]
    assert sum(word in read for word in SAID.split()) >= 4, read  # how well: tests of `lipscribe.streaming`
    assert all(100 < word["start"] < word["end"] < 103.1 for word in committed)
    assert messages[-1]["type"] == "done"
    assert messages[-1]["transcript"]["text"] == " ".join(read)


def test_a_recording_sent_in_parts(server: str, clip: Path, cache: Path):
    content = clip.read_bytes()
    with connect(server.replace("http", "ws") + "/v1/stream") as socket:
        socket.send(json.dumps({"type": "start", "input": "video"}))
        for start in range(0, len(content), 10_000):
            socket.send(content[start : start + 10_000])
        socket.send(json.dumps({"type": "finish"}))
        messages = [json.loads(text) for text in socket]
    assert [each["type"] for each in messages] == ["ready", "utterance", "done"]
    assert messages[1]["segment"]["text"] == messages[2]["transcript"]["text"] == SAID
    wait_for(lambda: is_clean(server, cache))


def test_a_huge_frame_ends_its_stream_alone(server: str):
    with connect(server.replace("http", "ws") + "/v1/stream", compression=None) as socket:
        socket.send(json.dumps({"type": "start", "input": "frames"}))
        socket.recv()
        png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000) + bytes(100)
        socket.send(struct.pack("<d", 0.0) + png)
        assert "60000x60000" in json.loads(socket.recv())["message"]
    with connect(server.replace("http", "ws") + "/v1/stream", compression=None) as socket:
        socket.send(json.dumps({"type": "start", "input": "frames"}))
        socket.recv()
        with suppress(ConnectionClosed):
            socket.send(bytes(8_000_000))
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert httpx.get(f"{server}/healthz").status_code == 200


def test_ten_thousand_tiny_frames(server: str):
    import cv2
    import numpy as np

    tiny = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    with connect(server.replace("http", "ws") + "/v1/stream", compression=None) as socket:
        socket.send(json.dumps({"type": "start", "input": "frames"}))
        socket.recv()
        messages = []
        listening = threading.Thread(target=lambda: messages.extend(json.loads(text) for text in socket))
        listening.start()
        for number in range(10_000):
            socket.send(struct.pack("<d", number / 1000) + tiny)
        socket.send(json.dumps({"type": "finish"}))
        listening.join()
    dropped = sum(each["frames"] for each in messages if each["type"] == "dropped")
    assert 0 < dropped < 10_000
    assert messages[-1]["type"] == "done" and messages[-1]["transcript"]["text"] == ""
    assert len(messages) < 2000


def test_a_crash_leaves_nothing_after_the_next_start(tmp_path: Path, clip: Path):
    with started("--workers", "1", cache=str(tmp_path)) as (process, address):
        (folder,) = tmp_path.glob("serve/run-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "upload-left").mkdir()
        process.kill()
        process.wait()
    assert folder.exists()
    with started("--workers", "1", cache=str(tmp_path)) as (process, address):
        assert not folder.exists()
        assert post(address, clip).json()["text"] == SAID
        process.terminate()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
    assert not list(tmp_path.glob("serve/run-*"))
