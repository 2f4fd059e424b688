"""How fast the joint beam search reads a clip with a decoder of the released size, beside the reference's own program.

    python benchmarks/joint_search.py --threads 2 --beam 40 --dtype float32

Weights are drawn, so that the work is fixed: the end of a sentence is so unlikely that exactly 40 steps are taken, each
with a full beam. The reference did the same work with the same sizes (auto_avsr 182b628, torch 2.13, two threads of two
quiet cores of an AMD EPYC, float32; its seconds below are the faster of two runs). Where other programs are running,
look at the CPU seconds with one thread: two threads that wait for each other can take many times as long.
"""

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.transformer_decoder import TransformerDecoder
from lipscribe.search.beam import PUBLISHED, beam_search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.scorers import Weighted

VOCAB, HIDDEN, STEPS = 5049, 768, 40
REFERENCE_SECONDS = {(75, 10): 4.66, (75, 40): 14.72, (250, 10): 10.13, (250, 40): 39.26}  # (frames, beam)


def build_decoder(dtype: torch.dtype) -> TransformerDecoder:
    torch.manual_seed(0)
    decoder = TransformerDecoder(HIDDEN, VOCAB, HIDDEN, heads=12, ff=3072, layers=6, dropout=0.0).eval()
    decoder.project.bias.data[decoder.end] = -60
    return decoder.to(dtype)


def search(decoder: TransformerDecoder, encoder_out: torch.Tensor, log_probs: np.ndarray, beam: int) -> None:
    """Takes exactly `STEPS` steps, each with a full beam."""
    scorers, ctc = [Weighted(DecoderScorer(decoder, encoder_out), 0.9)], CTCPrefixScorer(log_probs, decoder.end)
    rules = replace(PUBLISHED, end_detection=False)
    found = beam_search(scorers, beam, STEPS, decoder.end, rules, ctc=ctc, ctc_weight=0.1)
    assert {len(one.tokens) for one in found} == {STEPS} and np.isfinite(found[0].score)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beam", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    decoder = build_decoder(dtype)
    for num_frames in (75, 250):
        encoder_out = F.layer_norm(torch.randn(1, num_frames, HIDDEN), (HIDDEN,))
        log_probs = (3 * torch.randn(num_frames, VOCAB, dtype=torch.float64)).log_softmax(-1).numpy()
        wall, cpu = [], []
        for run in range(args.runs + 1):  # the first warms up: it orders the weights
            started, busy = time.perf_counter(), time.process_time()
            search(decoder, encoder_out.to(dtype), log_probs, args.beam)
            if run:
                wall.append(time.perf_counter() - started)
                cpu.append(time.process_time() - busy)
        seconds = statistics.median(wall)
        reference = REFERENCE_SECONDS.get((num_frames, args.beam))
        ratio = f"reference {reference} s, {reference / seconds:.1f} times as long" if reference else "no reference"
        print(
            f"{num_frames} frames, beam {args.beam}, {args.dtype}, {args.threads} threads: {seconds:.2f} s "
            f"(CPU {statistics.median(cpu):.2f} s); {ratio}",
            flush=True,
        )


if __name__ == "__main__":
    main()
