"""The newer MediaPipe's way to faces, run for real: its model file is made here from the networks in the older wheel.

The wheel's network gives 468 landmarks and the task wants 478, the last ten being the irises, which nobody reads here:
the first ten are appended in their place. All else is the real graph.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lipscribe.errors import CheckpointError
from lipscribe.faces import load_face_detector, track_faces

mediapipe = pytest.importorskip("mediapipe")
MODULES = Path(mediapipe.__file__).parent / "modules"
DETECTOR = MODULES / "face_detection" / "face_detection_short_range.tflite"
LANDMARKS = MODULES / "face_landmark" / "face_landmark.tflite"
NUM_VALUES, NUM_WANTED = 468 * 3, 478 * 3

Clips = Callable[[int], np.ndarray]


def with_irises(network: bytes) -> bytes:
    """The landmark network with as many values again at its end as the task waits for."""
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as tflite

    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAsModel(network, 0))
    (graph,) = model.subgraphs

    def add_tensor(shape: list[int], kind: int, values: list[int] | None = None) -> int:
        tensor = tflite.TensorT()
        tensor.name, tensor.shape, tensor.type = f"added_{len(graph.tensors)}", np.array(shape, np.int32), kind
        if values is not None:
            buffer = tflite.BufferT()
            buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def add_operator(name: str, inputs: list[int], output: int, **options: int) -> None:
        code = tflite.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(tflite.BuiltinOperator, name.upper())
        model.operatorCodes.append(code)
        operator = tflite.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operator.builtinOptionsType = getattr(tflite.BuiltinOptions, f"{name}Options")
        operator.builtinOptions = getattr(tflite, f"{name}OptionsT")()
        for key, value in options.items():
            setattr(operator.builtinOptions, key, value)
        graph.operators.append(operator)

    landmarks, presence = graph.outputs
    num_missing = NUM_WANTED - NUM_VALUES
    begin = add_tensor([4], tflite.TensorType.INT32, [0, 0, 0, 0])
    size = add_tensor([4], tflite.TensorType.INT32, [1, 1, 1, num_missing])
    first = add_tensor([1, 1, 1, num_missing], tflite.TensorType.FLOAT32)
    add_operator("Slice", [landmarks, begin, size], first)
    whole = add_tensor([1, 1, 1, NUM_WANTED], tflite.TensorType.FLOAT32)
    add_operator("Concatenation", [landmarks, first], whole, axis=3)
    graph.outputs = np.array([whole, presence], np.int32)
    builder = flatbuffers.Builder(len(network))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not LANDMARKS.is_file():
        pytest.skip("this MediaPipe brings no networks")
    path = tmp_path_factory.mktemp("model") / "face_landmarker.task"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        bundle.write(DETECTOR, "face_detector.tflite")
        bundle.writestr("face_landmarks_detector.tflite", with_irises(LANDMARKS.read_bytes()))
    return path


@pytest.fixture(autouse=True)
def use_model(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPSCRIBE_FACE_MODEL", str(model_path))


def test_both_generations_give_the_same_landmarks(grid_frames: Clips) -> None:
    """Frame by frame: the task's own smoothing, which would blur the lips, is off."""
    found = []
    for backend in ("solutions", "tasks"):
        detector = load_face_detector(backend)
        found.append(track_faces(grid_frames(10), detector=detector))
        detector.close()
    (solutions,), (tasks,) = found
    assert tasks.coverage == solutions.coverage == 1.0
    distance_px = np.linalg.norm(tasks.landmarks - solutions.landmarks, axis=-1)  # (T, L)
    assert distance_px.mean() < 0.002 * solutions.size_px
    assert tasks.motion == pytest.approx(solutions.motion, rel=0.05)


def test_several_faces_a_cut_and_an_empty_stretch(grid_frames: Clips) -> None:
    pair = np.concatenate([grid_frames(10)[:20], grid_frames(300)[:20]], axis=2)
    empty = np.full_like(pair[:20], 90)
    detector = load_face_detector("tasks")
    tracks = track_faces(np.concatenate([pair, empty, pair[:, :, ::-1]]), detector=detector)
    detector.close()
    assert [(track.start, track.stop) for track in tracks] == [(0, 20), (0, 20), (40, 60), (40, 60)]


def test_a_damaged_model_is_told_from_a_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "damaged.task"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("face_detector.tflite", b"nonsense")
    monkeypatch.setenv("LIPSCRIBE_FACE_MODEL", str(path))
    detector = load_face_detector("tasks")
    with pytest.raises(CheckpointError, match=r"cannot read its face model .*damaged\.task") as caught:
        track_faces(np.zeros((2, 64, 64, 3), np.uint8), detector=detector)
    detector.close()
    assert "\n" not in str(caught.value)
