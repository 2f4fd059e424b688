"""Where many tasks run: worker processes of this machine, or a Ray cluster, behind one interface.

`run_tasks` hands tasks to workers and yields what they report; `local` and `ray_cluster` are what the workers run on.
"""

from lipscribe.engines.crew import Engine, Message, Tell, WorkerError
from lipscribe.engines.local import LocalEngine, Worker
from lipscribe.engines.plain import ForeignError, place_of
from lipscribe.engines.scheduling import in_turn, run_tasks

__all__ = [
    "Engine",
    "ForeignError",
    "LocalEngine",
    "Message",
    "Tell",
    "Worker",
    "WorkerError",
    "in_turn",
    "place_of",
    "run_tasks",
]
