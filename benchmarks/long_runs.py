"""How well sentences that follow each other in one long run are read, beside the same clips one by one.

lipscribe talk --corpus grid --clips 80 --speakers 10 --seed 7 -o corpus/
lipscribe prepare grid --root corpus/ --output prepared/
python benchmarks/long_runs.py prepared/ --model grid
"""

import argparse
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.data.shards import find_shards, read_shard
from lipscribe.metrics import wer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--model", default="grid")
    parser.add_argument("--clips", type=int, default=8, help="of each speaker")
    args = parser.parse_args()
    model = lipscribe.load_model(args.model, "cpu")
    speakers: dict[str, list] = {}
    for shard in find_shards(args.prepared, args.split):
        for prepared in read_shard(shard):
            clips = speakers.setdefault(prepared.clip.speaker or "", [])
            clips += [prepared] * (len(clips) < args.clips)
    texts = [" ".join(one.clip.text for one in clips) for clips in speakers.values()]
    alone = [" ".join(model.transcribe(one.crops).text for one in clips) for clips in speakers.values()]
    runs = [model.transcribe(np.concatenate([one.crops for one in clips])) for clips in speakers.values()]
    familiar = [segment.familiarity for run in runs for segment in run.segments if segment.familiarity is not None]
    print(f"{sum(map(len, speakers.values()))} clips of {len(speakers)} speakers, model {model.name}")
    print(f"WER of clips one by one  {wer(texts, alone):.1%}")
    print(f"WER of one run a speaker {wer(texts, [run.text for run in runs]):.1%}")
    print(f"segments marked unfamiliar in the runs: {np.mean(np.array(familiar) < 0.5):.0%} of {len(familiar)}")


if __name__ == "__main__":
    main()
