"""One of the processes of a training, for tests: `python -m training_pair SCENARIOS.json`, see `run_pair`.

A scenario is a config file with what happens to it; all are run in turn in the same processes, which saves their start.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


def start(rank: int, port: int, scenarios: Path, world_size: int = 2) -> subprocess.Popen[str]:
    """Starts a process as torchrun does."""
    settings = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": world_size,
        "LOCAL_WORLD_SIZE": world_size,
        "GROUP_RANK": 0,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": 1,
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning:lipscribe", __file__, str(scenarios)],
        env=os.environ | {name: str(value) for name, value in settings.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_pair(folder: Path, scenarios: list[dict[str, Any]], timeout: float = 240) -> list[tuple[int, str, str]]:
    """Runs scenarios in two processes that talk by gloo; exit code, stdout and stderr of each."""
    file = folder / "scenarios.json"
    file.write_text(json.dumps(scenarios))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [start(rank, port, file) for rank in range(2)]
    try:
        outputs = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


class Stopped(Exception):
    """Stands for whatever ends a run."""


def main(scenarios: list[dict[str, Any]]) -> int:
    """Runs the scenarios.

    `config`, `resume`, `stop_at` (losses computed before all stop), `kill` (rank and losses), `spoil` (rank and step
    whose gradient becomes NaN in one number; of spread weights it is in that process's part alone).
    """
    import torch

    from lipscribe.training import loop
    from lipscribe.training.__main__ import main as command

    torch.set_num_threads(1)
    code, original, clip = 0, loop.ctc_loss, loop.Fabric.clip_gradients
    for scenario in scenarios:
        computed = clipped = 0

        def counting(*args: Any, scenario: dict[str, Any] = scenario) -> Any:
            nonlocal computed
            computed += 1
            if computed == scenario.get("stop_at"):
                raise Stopped
            if scenario.get("kill") == [int(os.environ["RANK"]), computed]:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        def clipping(fabric: Any, module: Any, *args: Any, scenario: dict[str, Any] = scenario, **options: Any) -> Any:
            nonlocal clipped
            clipped += 1
            if scenario.get("spoil") == [int(os.environ["RANK"]), clipped]:
                parts = (getattr(each.grad, "_local_tensor", each.grad) for each in module.parameters())
                part = next(part for part in parts if part is not None and part.numel())
                part[(0,) * part.ndim] = torch.nan
            return clip(fabric, module, *args, **options)

        loop.ctc_loss, loop.Fabric.clip_gradients = counting, clipping
        sys.argv = ["train", scenario["config"], *(["--resume"] if scenario.get("resume") else [])]
        try:
            code = command()
        except Stopped:
            continue
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
