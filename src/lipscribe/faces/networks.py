"""MediaPipe's face networks, run directly: loaded from the package, checked, and computed by LiteRT or by OpenCV.

The three files in `assets/faces` are those of the MediaPipe 0.10.21 wheel (Apache-2.0), byte for byte. LiteRT is the
runtime wherever it has a wheel. OpenCV's own (`cv2.dnn`) takes its place elsewhere, such as on Macs with an Intel
processor; it cannot run the full-range detector.
"""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal, Protocol

import numpy as np

from lipscribe.errors import CheckpointError, ConfigError, MissingExtraError
from lipscribe.faces.quiet import quiet_stderr

NetworkName = Literal["face_landmark", "face_detection_short_range", "face_detection_full_range_sparse"]
Runtime = Literal["litert", "opencv"]
RUNTIMES: tuple[Runtime, ...] = ("litert", "opencv")

SHA256: dict[NetworkName, str] = {
    "face_landmark": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "face_detection_short_range": "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    "face_detection_full_range_sparse": "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
}
# What 0 and 255 of a picture are to the network.
INPUT_RANGES: dict[NetworkName, tuple[float, float]] = {
    "face_landmark": (0.0, 1.0),
    "face_detection_short_range": (-1.0, 1.0),
    "face_detection_full_range_sparse": (-1.0, 1.0),
}
FOLDER = resources.files("lipscribe") / "assets" / "faces"
REINSTALL = "install Lipscribe again, or `git checkout` the file"


class Network(Protocol):
    """A network from one picture to arrays."""

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """Computes the outputs for a picture.

        Args:
            picture: (S, S, 3) uint8 RGB, of the network's size.

        Returns:
            The outputs, flattened: float32 each, the largest first. They are the caller's to keep.
        """
        ...


def find_runtime() -> Runtime:
    """The runtime to use on this machine: LiteRT, or OpenCV where LiteRT is not installed.

    Raises:
        MissingExtraError: LiteRT is installed and does not start, or neither can be used; the message has the remedy.
    """
    try:
        import ai_edge_litert  # noqa: F401
    except ModuleNotFoundError:
        try:
            _check_opencv()
        except MissingExtraError as error:
            raise MissingExtraError(
                "LiteRT, which runs the face networks, is not installed: run `pip install ai-edge-litert`; where it "
                f"has no wheel, `pip install 'opencv-python-headless<5'` (now: {error})"
            ) from None
        return "opencv"
    except (ImportError, OSError):  # it is there: `load_network` says what is wrong with it
        pass
    return "litert"


def load_network(name: NetworkName, runtime: Runtime) -> Network:
    """Loads one of the face networks.

    Raises:
        CheckpointError: Its file is missing or damaged.
        ConfigError: The runtime's name is unknown, or it cannot run this network.
        MissingExtraError: The runtime is not installed or does not start.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"unknown face runtime {runtime!r}: want one of auto, {', '.join(RUNTIMES)}")
    data = read_checked(name)
    return LiteRTNetwork(name, data) if runtime == "litert" else OpenCVNetwork(name, data)


def read_checked(name: NetworkName, folder: Traversable = FOLDER) -> bytes:
    """The bytes of a network's file, if they are the right ones.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    path = folder / f"{name}.tflite"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"the face network {path} cannot be read ({error.strerror}): {REINSTALL}") from error
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise CheckpointError(f"the face network {path} is damaged ({len(data)} bytes, wrong checksum): {REINSTALL}")
    return data


class LiteRTNetwork:
    """A `Network` by LiteRT.

    It computes on one thread. Two take 0.6 of the time on an idle machine, but they wait for each other awake: beside
    another program on two cores they took three times as long.
    """

    def __init__(self, name: NetworkName, data: bytes):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ModuleNotFoundError as error:
            missing = "LiteRT" if (error.name or "").startswith("ai_edge_litert") else f"LiteRT's own {error.name}"
            raise MissingExtraError(f"{missing} is not installed: run `pip install ai-edge-litert`") from error
        except (ImportError, OSError) as error:
            reason = " ".join(str(error).split())
            raise MissingExtraError(
                f"LiteRT does not start ({reason}): run `pip install --force-reinstall ai-edge-litert`"
            ) from error
        with quiet_stderr():
            self._interpreter = Interpreter(model_content=data, num_threads=1)
            self._interpreter.allocate_tensors()
        # A view of the input, made anew for each picture: none may be held while the network runs.
        self._input = self._interpreter.tensor(self._interpreter.get_input_details()[0]["index"])
        self._scaled = _Scaled(name)
        outputs = sorted(self._interpreter.get_output_details(), key=lambda out: -int(np.prod(out["shape"])))
        self._outputs = [out["index"] for out in outputs]

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network.run`."""
        self._scaled(picture, self._input()[0])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index).ravel() for index in self._outputs]


class OpenCVNetwork:
    """A `Network` by OpenCV 4: the landmarks and the short-range detector."""

    def __init__(self, name: NetworkName, data: bytes):
        _check_opencv()
        if name == "face_detection_full_range_sparse":
            raise ConfigError(f"OpenCV cannot run the face network {name}: want the runtime litert")
        import cv2

        self._net = cv2.dnn.readNetFromTFLite(np.frombuffer(data, np.uint8))
        self._names = self._net.getUnconnectedOutLayersNames()
        self._scaled = _Scaled(name)

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network.run`."""
        scaled = self._scaled(picture, np.empty(picture.shape, np.float32))
        self._net.setInput(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))
        return sorted((out.ravel().copy() for out in self._net.forward(self._names)), key=lambda out: -out.size)


class _Scaled:
    """Brings pictures to a network's input range."""

    def __init__(self, name: NetworkName):
        low, high = INPUT_RANGES[name]
        self._scale, self._offset = np.float32((high - low) / 255), np.float32(low)

    def __call__(self, picture: np.ndarray, room: np.ndarray) -> np.ndarray:
        """(S, S, 3) uint8 -> (S, S, 3) float32, written to `room`: to allocate it takes longer than to fill it."""
        np.multiply(picture, self._scale, out=room)
        if self._offset:
            room += self._offset
        return room


def _check_opencv() -> None:
    """Raises where OpenCV's network runtime cannot be used: version 5 loses the detector's scores."""
    import cv2

    if int(cv2.__version__.split(".")[0]) >= 5:
        raise MissingExtraError(
            f"OpenCV {cv2.__version__} cannot run the face networks: run `pip install 'opencv-python-headless<5'`"
        )
