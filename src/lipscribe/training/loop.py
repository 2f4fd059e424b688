"""The training loop, to be read from top to bottom."""

import functools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from lipscribe.atomic import writing
from lipscribe.data.loader import BatchLoader, fitting_workers
from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.progress import Progress, tracked
from lipscribe.training.alignment import SURE, missing_word_times, realign_epochs
from lipscribe.training.average import MovingAverage
from lipscribe.training.card import card_of_run, with_scores
from lipscribe.training.checks import RunData, load_data
from lipscribe.training.config import TrainConfig
from lipscribe.training.distilling import distil_losses, load_teacher
from lipscribe.training.fabric import Fabric
from lipscribe.training.freezing import freeze, set_training
from lipscribe.training.logs import log_row, tensorboard
from lipscribe.training.losses import attention_loss, ctc_loss, frame_loss
from lipscribe.training.run_folder import RESUME_FILE, run_folder
from lipscribe.training.scoring import dev_scores
from lipscribe.zoo.checkpoint import save_checkpoint, start_from
from lipscribe.zoo.registry import find_model

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    resume: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = _LOG.info,
) -> Path:
    """Trains a model.

    Args:
        resume: Continue after the last finished epoch of an earlier run in the same folder. The result equals that of a
            run that was never interrupted: everything random is drawn from the seed and the epoch. With more epochs
            than the earlier run had, the learning rate continues on the longer schedule.
        progress: Called with the steps of each epoch.
        say: Called with a line of metrics for each epoch.

    Returns:
        The folder of the final model, `<output>/last`; `<output>/best` is the one with the fewest errors on dev.

    Raises:
        ConfigError: The folder holds another run, or nothing to resume; the clips' crops are not the model's kind;
            the teacher does not fit; or the loss is no longer finite.
        CheckpointError: The model to start from, the teacher or the state to resume from is missing or damaged.
        ManifestError: Clips are missing, damaged or of no use; all faults are listed before the first step.
        LipscribeError: Another process is writing to the run's folder.
    """
    data = load_data(config)
    spec = config.trained_model
    spec = replace(spec, card=card_of_run(config, spec, data.train_clips))
    teacher = load_teacher(config.teacher, spec, config.optim.distil_weight) if config.teacher else None
    with run_folder(config, resume) as output:
        _train(config, spec, data, teacher, output, resume, progress, say)
    return output / "last"


def _train(
    config: TrainConfig,
    spec: ModelSpec,
    data: RunData,
    teacher: LipReader | None,
    output: Path,
    resume: bool,
    progress: Progress | None,
    say: Callable[[str], None],
) -> None:
    """Trains what `train` has checked. More than 60 lines on purpose: the loop is to be read in one piece."""
    optim, train_set = config.optim, data.train_set
    precision = best_precision() if optim.precision == "auto" else optim.precision
    fabric = Fabric(accelerator="auto", devices=config.devices, precision=precision, loggers=tensorboard(output, say))
    fabric.launch()
    on_gpu = fabric.device.type == "cuda"
    workers = config.data.workers
    if workers is None:
        workers = fitting_workers(fabric.world_size)
    share = (fabric.global_rank, fabric.world_size)
    steps_per_epoch = len(train_set.plan(config.batch_sizes, 0, *share))
    epochs = math.ceil(optim.steps / steps_per_epoch) if optim.steps else optim.epochs
    begin = _LOG.debug if resume else say  # how a run began was said when it did
    word_times = missing_word_times(data, config, epochs, begin)

    fabric.seed_everything(config.seed, verbose=False)
    model = build_reader(spec)
    if config.start_from:
        begin(start_from(model, find_model(config.start_from), spec, whole=config.freeze))
    # Faster convolutions, on CPU and GPU alike.
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  missing in its stubs
    freeze(model, config.freeze)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    fused = fabric.device.type in ("cuda", "cpu")  # one kernel for all weights
    optimizer = torch.optim.AdamW(trained, lr=optim.learning_rate, weight_decay=optim.weight_decay, fused=fused)
    model, optimizer = fabric.setup(model, optimizer)
    model.mark_forward_method("forward_train")
    average = MovingAverage(model.module, optim.average, config.freeze).to(fabric.device)
    if teacher:
        teacher.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  as above
    schedule = LambdaLR(optimizer, one_cycle(epochs * steps_per_epoch, optim.warmup))

    saved = {"model": model.module, "average": average, "optimizer": optimizer, "schedule": schedule}
    if word_times:
        saved["word_times"] = word_times
        if config.start_from and not resume:
            word_times.realign(average.module, fabric, sure_above=SURE)
    heads = {"ctc": optim.ctc_weight, "attention": 1 - optim.ctc_weight}
    distil_weight = optim.distil_weight if teacher else 0
    weights = {name: weight * (1 - distil_weight) for name, weight in heads.items()}
    weights["frame"] = weights["ctc"] * optim.frame_weight
    weights |= {f"distil_{name}": weight * distil_weight for name, weight in heads.items()}

    @functools.cache  # copied to a GPU once
    def weights_of(names: tuple[str, ...]) -> Tensor:
        return torch.tensor([weights[name] for name in names], device=fabric.device)

    first_epoch, best = _load_state(output / RESUME_FILE, saved) if resume else (0, math.inf)
    if resume:
        done = "" if first_epoch < epochs else ", which are all: for more, give larger --epochs or optim.steps"
        say(f"{output} has {first_epoch} of {epochs} epochs{done}")

    losses: dict[str, Tensor] = {}
    with BatchLoader(train_set, config.batch_sizes, epochs, workers, on_gpu, *share) as loader:
        for epoch in range(first_epoch, epochs):
            if word_times and epoch in realign_epochs(epochs):
                word_times.realign(average.module, fabric)
                loader.stop()  # its workers have the former times
            # Dropout draws from torch's global generator: seeded here, a resumed epoch equals an uninterrupted one.
            torch.manual_seed(config.seed * 1_000_003 + epoch * 1009 + fabric.global_rank)
            set_training(model.module, config.freeze)
            started, sums = time.monotonic(), torch.zeros((), device=fabric.device)
            seen = progress if fabric.is_global_zero else None
            for batch in tracked(loader.epoch(epoch), seen, f"epoch {epoch + 1}/{epochs}", steps_per_epoch):
                batch = batch.to(fabric.device)
                with fabric.autocast():  # Fabric does it for a marked method on several devices only
                    log_probs, expected = model.forward_train(
                        batch.video, batch.video_lengths, batch.targets, optim.sampling
                    )
                losses = {}
                if log_probs is not None:  # (B, T, V)
                    losses["ctc"] = ctc_loss(log_probs, batch)
                    losses["frame"] = frame_loss(log_probs, batch, optim.label_smoothing)
                if expected is not None:  # (B, U + 1, V)
                    losses["attention"] = attention_loss(expected, batch, optim.label_smoothing, model.module.end)
                if teacher:
                    with torch.no_grad(), fabric.autocast():
                        teacher_outputs = teacher.forward_train(batch.video, batch.video_lengths, batch.targets)
                    ends, outputs = (model.module.end, teacher.end), (log_probs, expected)
                    losses |= distil_losses(outputs, teacher_outputs, batch, optim.distil_temperature, ends)
                values = torch.stack(list(losses.values()))
                loss = values @ weights_of(tuple(losses))
                fabric.backward(loss)
                # Whether all is finite is looked at once an epoch: each look makes the CPU wait for a GPU.
                fabric.clip_gradients(model, optimizer, max_norm=optim.clip_norm, error_if_nonfinite=False)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                average.update(model.module)
                sums = sums + torch.cat([values, loss[None]]).detach()

            means = (sums / steps_per_epoch).tolist()
            metrics = dict(zip([f"train_{name}" for name in (*losses, "loss")], means, strict=True))
            if not math.isfinite(metrics["train_loss"]):
                raise ConfigError(
                    f"the loss is {metrics['train_loss']} in epoch {epoch + 1}: start again in another output, with "
                    "optim.precision 32-true or a lower optim.learning_rate"
                )
            metrics |= {"learning_rate": float(schedule.get_last_lr()[0]), "epoch_seconds": time.monotonic() - started}
            if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == epochs:
                metrics |= dev_scores(average.module, data.dev_set.batches(config.batch_sizes), spec, fabric)
            fabric.log_dict(metrics, step=epoch + 1)
            if fabric.is_global_zero:
                log_row(output, epoch + 1, metrics)
                say(f"epoch {epoch + 1:3d}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
                limit = metrics.get("surprise_limit")
                scored = replace(spec, card=with_scores(spec.card, metrics), surprise_limit=limit)
                save_checkpoint(output / "last", scored, average.module.state_dict())
                if metrics.get("dev_wer", math.inf) < best:
                    best = metrics["dev_wer"]
                    save_checkpoint(output / "best", scored, average.module.state_dict())
                # Written last: an epoch that is interrupted before this line is trained again.
                _save_state(output / RESUME_FILE, saved, epoch + 1, best)


def best_precision() -> Literal["32-true", "bf16-mixed"]:
    """bfloat16 where the processor computes in it, rather than imitating it."""
    if torch.cuda.is_available():
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    elif torch.backends.mps.is_available():
        able = False
    else:
        known = getattr(torch.cpu, "get_capabilities", dict)()
        able = any(has is True and "bf16" in name for name, has in known.items())
    return "bf16-mixed" if able else "32-true"


def one_cycle(num_steps: int, warmup: float) -> Callable[[int], float]:
    """The factor on the peak learning rate at each step: up along a line, down along half a cosine."""
    rise = max(1, int(num_steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, num_steps - rise))))

    return factor


def _save_state(path: Path, saved: dict[str, Any], epoch: int, best: float) -> None:
    with writing(path) as file:
        torch.save({name: part.state_dict() for name, part in saved.items()} | {"epoch": epoch, "best": best}, file)


def _load_state(path: Path, saved: dict[str, Any]) -> tuple[int, float]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in saved.items():
            part.load_state_dict(state[name])
        return state["epoch"], state["best"]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, ValueError, UnpicklingError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{path} cannot be resumed from ({reason}): start again in another output") from None
