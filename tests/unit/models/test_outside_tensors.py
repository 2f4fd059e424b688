"""A graph of a model must not have ONNX Runtime read files outside of the model's folder as its tensors."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs lipscribe[export]")

import onnx
import onnxruntime

from lipscribe.errors import CheckpointError
from lipscribe.models.onnx_runtime import ENCODER, load_graph

CHECKED = (1, 26)  # the oldest version that was seen to refuse


def write_graph(folder: Path, location: str) -> None:
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [tensor])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    (folder / ENCODER).write_bytes(model.SerializeToString())


@pytest.mark.skipif(
    tuple(int(part) for part in onnxruntime.__version__.split(".")[:2]) < CHECKED, reason="an older ONNX Runtime"
)
@pytest.mark.parametrize("kind", ["absolute", "above", "link"])
def test_tensors_outside_of_the_folder(tmp_path: Path, kind: str):
    folder, values = tmp_path / "model", np.arange(4, dtype=np.float32)
    folder.mkdir()
    for path in (tmp_path / "secret.bin", folder / "own.bin"):
        values.tofile(path)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    write_graph(folder, "own.bin")
    assert load_graph(folder, ENCODER).run(None, {})[0].tolist() == values.tolist()
    write_graph(folder, {"absolute": str(tmp_path / "secret.bin"), "above": "../secret.bin", "link": "link.bin"}[kind])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_graph(folder, ENCODER)
