"""What an export leaves of a model that computes no numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.models.builders import build_reader
from lipscribe.models.spec import ModelSpec
from lipscribe.zoo.checkpoint import save_checkpoint


@pytest.mark.slow
def test_a_model_whose_numbers_are_not_finite_is_not_exported(
    toy_spec: ModelSpec, toy_clip, tmp_path: Path, capsys: pytest.CaptureFixture
):
    pytest.importorskip("onnxscript")
    from lipscribe.cli.app import app

    reader = build_reader(toy_spec)
    with torch.no_grad():
        for weights in reader.frontend.parameters():
            weights.copy_(torch.where(weights < 0, -3e38, 3e38))
    save_checkpoint(tmp_path / "model", toy_spec, reader.state_dict(), torch.float32)
    (tmp_path / "clips").mkdir()
    clip: PreparedClip = toy_clip()
    write_shard(tmp_path / "clips" / "dev-000000.tar", [replace(clip, clip=replace(clip.clip, split="dev"))])
    command = ["export", str(tmp_path / "model"), "--clips", str(tmp_path / "clips")]
    assert app([*command, "--output", str(tmp_path / "out")], standalone_mode=False) == 2
    assert "computes numbers that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
