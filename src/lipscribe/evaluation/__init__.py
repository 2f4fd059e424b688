"""How well a model reads clips whose text is known."""

from lipscribe.evaluation.evaluate import evaluate_prepared, evaluate_videos
from lipscribe.evaluation.result import Evaluation
from lipscribe.evaluation.temperature import Fit, calibrate_prepared, fit_temperature
from lipscribe.evaluation.write import write_evaluation

__all__ = [
    "Evaluation",
    "Fit",
    "calibrate_prepared",
    "evaluate_prepared",
    "evaluate_videos",
    "fit_temperature",
    "write_evaluation",
]
