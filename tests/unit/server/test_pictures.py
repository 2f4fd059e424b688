import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.server.pictures import PictureError, decode_crop, decode_frame


def encoded(kind: str, height: int, width: int, *flags: int) -> bytes:
    picture = np.random.default_rng(0).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(kind, picture, list(flags))[1].tobytes()


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        (".png", ()),
        (".jpg", ()),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),  # lossless
    ],
)
def test_sizes_are_those_of_the_decoder(kind: str, flags: tuple[int, ...]):
    for height, width in ((100, 33), (97, 640)):
        data = encoded(kind, height, width, *flags)
        wanted = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(decode_frame(data, height * width), wanted)
        with pytest.raises(PictureError, match=f"{width}x{height}, over"):
            decode_frame(data, height * width - 1)


def test_crops():
    assert decode_crop(encoded(".png", 96, 96)).shape == (96, 96)
    with pytest.raises(PictureError, match="95x96: send 96x96"):
        decode_crop(encoded(".png", 96, 95))


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp"])
def test_what_is_no_picture(kind: str):
    whole = encoded(kind, 64, 64)
    for length in (0, 3, 10, 20, 24, 30):
        with pytest.raises(PictureError, match="send"):
            decode_frame(whole[:length], 10_000)
    with pytest.raises(PictureError, match="damaged"):
        decode_frame(whole[:60] + bytes(40) if kind != ".jpg" else _without_scan(whole), 10_000)
    with pytest.raises(PictureError, match="no JPEG, PNG or WebP"):
        decode_frame(b"BM" + whole, 10_000)
    with pytest.raises(PictureError, match="at least 32x32"):
        decode_frame(encoded(kind, 1, 1), 10_000)


def _without_scan(jpeg: bytes) -> bytes:
    return jpeg[: jpeg.index(b"\xff\xda")]
