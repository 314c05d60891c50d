"""Experiments: plain functions from a recipe to labelled steps. They train nothing."""

from winnow.experiments.controls import controls, register_control
from winnow.experiments.experiment import Experiment, Row
from winnow.experiments.imp import imp
from winnow.experiments.instability import instability
from winnow.experiments.stability import stability
from winnow.experiments.study import Study
from winnow.experiments.swap import swap

__all__ = ["Experiment", "Row", "Study", "controls", "imp", "instability", "register_control", "stability", "swap"]
