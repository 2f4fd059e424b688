"""Learning from what another model says (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network",
2015, arXiv 1503.02531): a small model is trained on the teacher's distributions, which have more information than the
targets.
"""

import dataclasses

import torch
from torch import Tensor

from lipscribe.data.dataset import Batch
from lipscribe.errors import ConfigError
from lipscribe.models.frontend import frame_mask
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.registry import find_model


def load_teacher(name: str, student: ModelSpec, weight: float) -> LipReader:
    """The model that `teacher` names, in eval mode, with weights that take no gradient.

    Args:
        student: Who is to learn from it: it has to see the same pictures and to know the same tokens.
        weight: The teacher's share of the loss.

    Raises:
        CheckpointError: There is no such model, or it is damaged.
        ConfigError: The two do not fit; all that differs is named.
    """
    spec, reader = load_checkpoint(find_model(name))
    faults = [
        f"the student's input.{field.name} is {getattr(student.input, field.name)}, the teacher's "
        f"{getattr(spec.input, field.name)}, wanted the teacher's: both see the same pictures"
        for field in dataclasses.fields(spec.input)
        if getattr(student.input, field.name) != getattr(spec.input, field.name)
    ]
    if student.tokenizer.vocab != spec.tokenizer.vocab:
        faults.append(
            "the student's tokenizer has other tokens, wanted the teacher's, or no teacher and its readings as texts "
            "(`lipscribe label`)"
        )
    shared = student.ctc and spec.ctc, bool(student.decoder and spec.decoder)
    if not any(shared):
        faults.append("no head is like one of the student's, wanted CTC in both (optim.ctc_weight) or a decoder")
    elif weight == 1 and shared != (student.ctc, student.decoder is not None):
        name_of_lacking = "decoder" if student.decoder and not spec.decoder else "CTC head"
        faults.append(f"it has no {name_of_lacking}, so with optim.distil_weight 1 the student's learns nothing")
    if faults:
        raise ConfigError(f"teacher {name}: {'; '.join(faults)}")
    return reader.requires_grad_(False)


def distil_losses(
    student: tuple[Tensor | None, Tensor | None],
    teacher: tuple[Tensor | None, Tensor | None],
    batch: Batch,
    temperature: float,
    ends: tuple[int, int] = (0, 0),
) -> dict[str, Tensor]:
    """How far the student's distributions are from the teacher's, by each head that both have.

    Args:
        student, teacher: What `LipReader.forward_train` gives of the batch, without sampling.
        temperature: What both distributions are softened by, as `soft_divergence` has it.
        ends: The symbol for a sentence's end, of the student's decoder and of the teacher's.

    Returns:
        `distil_ctc`, the mean over all frames, and `distil_attention`, the mean over all tokens of the batch and the
        ends of its sentences; () float32 each.
    """
    losses = {}
    if student[0] is not None and teacher[0] is not None:  # (B, T, V)
        frames = frame_mask(batch.video_lengths, student[0].shape[1])
        losses["distil_ctc"] = soft_divergence(teacher[0][frames], student[0][frames], temperature)
    if student[1] is not None and teacher[1] is not None:  # (B, U + 1, V)
        tokens = frame_mask(batch.target_lengths + 1, student[1].shape[1])
        columns = list(range(teacher[1].shape[-1]))
        own, other = ends  # the teacher's end symbol takes the column of the student's
        columns[own], columns[other] = columns[other], columns[own]
        losses["distil_attention"] = soft_divergence(teacher[1][..., columns][tokens], student[1][tokens], temperature)
    return losses


def soft_divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """The Kullback-Leibler divergence of the student's distributions from the teacher's.

    Args:
        teacher, student: (N, V) float32 log-probabilities.
        temperature: Both are divided by it and normalised again: above 1, what is unlikely has more of a say. The
            result is multiplied by its square, so that gradients stay as large as they are (section 2 of the paper).

    Returns:
        () float32, the mean over N; 0 where they agree.
    """
    wanted, got = ((log_probs / temperature).log_softmax(-1) for log_probs in (teacher, student))
    return torch.nn.functional.kl_div(got, wanted, reduction="batchmean", log_target=True) * temperature**2
