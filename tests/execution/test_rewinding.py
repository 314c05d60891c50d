from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.execution.conftest import EVALUATE, LENGTH, RECIPE, REWIND
from winnow import data
from winnow.experiments import imp
from winnow.models import build, initialize
from winnow.seeds import generator
from winnow.store import Store
