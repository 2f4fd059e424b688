"""What x264 has to be told so that the same pictures are the same bytes each time."""

import functools

_AVX_512F = 13  # OpenCV's number of it


@functools.cache
def repeatable() -> dict[str, str]:
    """Options of the encoder libx264, for this processor.

    Its code for AVX-512 shares bits among blocks (`mbtree`) by values that differ from run to run, so that a clip that
    is written again has other bytes; its code for AVX2 does not, and is as fast.
    """
    try:
        import cv2
    except ImportError:  # nobody encodes on machines that only train
        return {}
    return {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(_AVX_512F) else {}
