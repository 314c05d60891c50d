"""Experiments: plain functions from a recipe to labelled steps. They train nothing."""

from winnow.experiments.controls import controls, register_control
from winnow.experiments.experiment import Experiment, Row
from winnow.experiments.imp import imp

__all__ = ["Experiment", "Row", "controls", "imp", "register_control"]
