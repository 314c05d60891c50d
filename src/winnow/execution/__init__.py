"""Run steps: what is missing, in order of dependence, trainings together as lanes."""
