"""The training itself: some dozens of steps on a few clips, from the weights of a model that reads already."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from lipscribe.adaptation.recipe import Part, Recipe
from lipscribe.data.batches import Batch, Sample, collate
from lipscribe.data.dataset import frame_tokens
from lipscribe.data.shards import PreparedClip
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.training.average import MovingAverage
from lipscribe.training.loop import best_precision, one_cycle
from lipscribe.training.losses import attention_loss, ctc_loss
from lipscribe.transforms import Augment, crops_to_video

CLIP_NORM = 5.0  # maximum gradient norm
WEIGHT_DECAY = 0.01
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm)


def fit(
    reader: LipReader, spec: ModelSpec, clips: Sequence[PreparedClip], recipe: Recipe, seed: int = 0
) -> Iterator[tuple[int, LipReader | None]]:
    """Adapts a model to clips with texts, in place and on the CPU.

    Word times are not needed: a model that reads finds the words by itself (docs/adapt.md).

    Args:
        seed: Of the order, the augmentation and dropout.

    Yields:
        After every step the number of steps; and `recipe.looks` times, evenly and at the end, the averaged model in
        eval mode, otherwise None.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    # Faster convolutions.
    reader.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  missing in torch's stubs
    trained = _chosen(reader, recipe.trained)
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, one_cycle(recipe.steps, recipe.warmup))
    average = MovingAverage(reader, recipe.average)
    half = best_precision() == "bf16-mixed"
    looks = {round(recipe.steps * (i + 1) / recipe.looks) for i in range(recipe.looks)}
    order: list[int] = []
    for step in range(1, recipe.steps + 1):
        while len(order) < recipe.batch_size:
            order += rng.permutation(len(clips)).tolist()
        taken, order = order[: recipe.batch_size], order[recipe.batch_size :]
        batch = _augmented([clips[i] for i in taken], spec, recipe, rng)
        reader.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = reader.forward_train(batch.video, batch.video_lengths, batch.targets)
        loss = _loss(*outputs, batch, recipe.label_smoothing, reader.end)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimizer.step()
        schedule.step()
        average.update(reader)
        yield step, average.module.eval() if step in looks else None


@torch.inference_mode()
def held_out_loss(reader: LipReader, spec: ModelSpec, clips: Sequence[PreparedClip]) -> float:
    """The loss of a model in eval mode on clips that it does not learn from, the mean over clips."""
    size, losses = spec.input, []
    for prepared in clips:
        video = crops_to_video(prepared.crops, size.height, size.width, size.normalisation)
        batch = collate([_sample(video, np.arange(len(video), dtype=float), prepared, spec)])
        outputs = reader.forward_train(batch.video, batch.video_lengths, batch.targets)
        losses.append(float(_loss(*outputs, batch, 0.0, reader.end)))
    return float(np.mean(losses))


def _loss(log_probs: Tensor | None, expected: Tensor | None, batch: Batch, smoothing: float, end: int) -> Tensor:
    """The mean of the losses of what the model has: CTC, and the decoder's cross-entropy."""
    losses = [] if log_probs is None else [ctc_loss(log_probs.float(), batch)]
    if expected is not None:
        losses.append(attention_loss(expected.float(), batch, smoothing, end))
    return torch.stack(losses).mean()


def _chosen(reader: LipReader, part: Part) -> list[nn.Parameter]:
    """The weights to train; the others get no gradient."""
    reader.requires_grad_(part == "all")
    if part == "encoder":
        reader.requires_grad_(True)
        reader.frontend.requires_grad_(False)
    if part == "norms":
        for module in reader.modules():
            if isinstance(module, _NORMS):
                module.requires_grad_(True)
    return [weights for weights in reader.parameters() if weights.requires_grad]


def _augmented(clips: Sequence[PreparedClip], spec: ModelSpec, recipe: Recipe, rng: np.random.Generator) -> Batch:
    size = spec.input
    augment = Augment(recipe.augment, size.height, size.width, size.normalisation)
    return collate([_sample(*augment(clip.crops, (0, len(clip.crops)), rng), clip, spec) for clip in clips])


def _sample(video: Tensor, times: np.ndarray, prepared: PreparedClip, spec: ModelSpec) -> Sample:
    clip, tokenizer = prepared.clip, spec.tokenizer
    return Sample(video, tokenizer.encode(clip.text), frame_tokens(clip, times, tokenizer), clip)
