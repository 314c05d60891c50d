"""Conv-6 and ResNet-20 on CIFAR-10, shortened: the accuracy that training in bfloat16 ends with, and in float32.

Both precisions train the same replicates: the same initial weights, data orders and augmentation. The results are kept
in a store, so that the command can be interrupted, and repeated for more replicates.

    python benchmarks/accuracy.py --store DIR [--iterations 300] [--replicates 3] [--networks conv6 resnet20]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from timing import machine

from winnow.execution.executor import Executor
from winnow.experiments import imp
from winnow.intervals import interval
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.steps import Content
from winnow.store import Store


def shortened(name: str, iterations: int, replicates: int) -> Recipe:
    """The recipe's dense network, with schedule and all in so many iterations."""
    changes = {
        "train.length": f"{iterations}it",
        "train.evaluate": f"{iterations}it",
        "rewind": "0it",
        "levels": 1,
        "replicates": replicates,
    }
    if name == "resnet20":
        changes |= {"schedule.drops": [f"{iterations * 2 // 3}it", f"{iterations * 5 // 6}it"]}
    return read(f"{name}-cifar10").edited(changes)


def accuracies(recipe: Recipe, store: Store) -> list[float]:
    """Test accuracy in per cent at the end of each replicate's dense training."""
    dense = [row.trained for row in imp(recipe).rows if row.level == 0]
    Executor(store).run(dict.fromkeys(dense, Content.METRICS))
    curves = [store.curve(step) for step in dense]
    return [100 * curve.rows[curve.last]["test_accuracy"] for curve in curves]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=["conv6", "resnet20"])
    options = parser.parse_args()
    print(machine())
    for name in options.networks:
        recipe = shortened(name, options.iterations, options.replicates)
        found = {
            precision: accuracies(recipe.edited({"train.precision": precision}), Store(options.store))
            for precision in ("bfloat16", "float32")
        }
        for precision, values in found.items():
            print(f"{name:10}{precision:10}{statistics.fmean(values):7.2f} %   {', '.join(f'{v:.2f}' for v in values)}")
        differences = [b - f for b, f in zip(found["bfloat16"], found["float32"], strict=True)]
        low, high = interval(differences)
        print(f"{name:10}{'difference':10}{statistics.fmean(differences):+7.2f}     95 %: {low:+.2f} to {high:+.2f}")


if __name__ == "__main__":
    main()
