"""What the processor says of itself, and what follows from it."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import nn

from winnow.training import choice, choose, processor
from winnow.training.processor import Processor

LINUX = """processor\t: 0
vendor_id\t: {maker}
model name\t: Some Processor: 2.0 GHz
flags\t\t: fpu sse avx512f {features}

processor\t: 1
vendor_id\t: Other
"""


@pytest.mark.parametrize(
    ("maker", "features", "capability", "obstacle"),
    [
        ("AuthenticAMD", "avx512_bf16", "AVX512", None),
        ("GenuineIntel", "avx512_bf16 amx_bf16 amx_tile", "AVX512", None),
        ("GenuineIntel", "avx512_bf16", "AVX512", "offers no AMX"),
        ("GenuineIntel", "", "AVX512", "no instructions"),
        ("AuthenticAMD", "", "AVX2", "no instructions"),
    ],
)
def test_where_bfloat16_pays(maker, features, capability, obstacle):
    found = Processor.described(LINUX.format(maker=maker, features=features))
    assert found.maker == maker
    assert found.is_amd == (maker == "AuthenticAMD")
    said = found.obstacle_to_bfloat16(capability)
    assert said is None if obstacle is None else obstacle in str(said)


def test_another_system_tells_the_maker_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "_LINUX", tmp_path / "missing")
    monkeypatch.setattr(platform, "processor", lambda: "AMD64 Family 25 Model 33 Stepping 2, AuthenticAMD")
    found = processor.processor.__wrapped__()
    assert found == Processor("AuthenticAMD", None)
    assert found.obstacle_to_bfloat16("AVX512") is None


def test_an_arm_processor_names_no_maker():
    assert Processor.described("processor\t: 0\nFeatures\t: fp asimd\n") == Processor("", None)


def test_this_processor_is_told_of_when_bfloat16_does_not_pay_on_it(monkeypatch, caplog):
    for obstacle in (None, "it is slow"):
        monkeypatch.setattr(choice, "obstacle_to_bfloat16", lambda said=obstacle: said)
        choose(nn.Linear(2, 2), torch.device("cpu"), precision="bfloat16")
        assert caplog.messages == ([obstacle] if obstacle else [])
