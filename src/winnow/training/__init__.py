"""Training: one loop, the engines that compute its gradients, the optimizers, the schedule and the metrics."""

from winnow.training.batches import Batches, Stream
from winnow.training.choice import Choice, EngineName, check, choose
from winnow.training.compiled import Compiled, Graphed
from winnow.training.decay import exempt
from winnow.training.engines import Engine, Plain, Stacked
from winnow.training.loop import Observer, train_
from winnow.training.metrics import Curve, evaluated
from winnow.training.optimizers import optimizer, slot_names
from winnow.training.perceptron import Perceptron
from winnow.training.randomness import LaneRandomness, draws
from winnow.training.rewiring import Rewiring, begun
from winnow.training.schedule import learning_rate
from winnow.training.state import State
from winnow.training.streaming import Streaming
from winnow.training.tasks import Classification, Task
from winnow.training.trial import Trial

__all__ = [
    "Batches",
    "Choice",
    "Classification",
    "Compiled",
    "Curve",
    "Engine",
    "EngineName",
    "Graphed",
    "LaneRandomness",
    "Observer",
    "Perceptron",
    "Plain",
    "Rewiring",
    "Stacked",
    "State",
    "Stream",
    "Streaming",
    "Task",
    "Trial",
    "begun",
    "check",
    "choose",
    "draws",
    "evaluated",
    "exempt",
    "learning_rate",
    "optimizer",
    "slot_names",
    "train_",
]
