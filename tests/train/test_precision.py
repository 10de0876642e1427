"""bfloat16 is computed in where the hardware has it, and float32 elsewhere."""

import pytest
import torch
from torch import nn

from course_lib.train import Engine, precision
from course_lib.train.precision import IN_HARDWARE, autocast, precision_on

CPU = torch.device("cpu")
CAN = precision.computes_bf16  # before the fixture of this folder replaces it


def capable(monkeypatch: pytest.MonkeyPatch, **flags: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    monkeypatch.setattr(precision, "computes_bf16", CAN)


@pytest.mark.parametrize("flag", IN_HARDWARE)
def test_any_of_the_instructions_is_enough(monkeypatch, flag: str) -> None:
    capable(monkeypatch, avx2=True, **{flag: True})
    assert CAN(CPU)
    assert precision_on(CPU, "bf16") == "bf16"


def test_without_them_float32_is_computed_in(monkeypatch) -> None:
    capable(monkeypatch, avx2=True, avx512_bf16=False, avx512_f=True)
    assert not CAN(CPU)
    assert [precision_on(CPU, wanted) for wanted in ("bf16", "no", "fp16")] == ["no", "no", "fp16"]


def test_a_torch_that_does_not_tell_computes_in_float32(monkeypatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not CAN(CPU)


@pytest.mark.parametrize(("has", "wanted"), [(True, True), (False, False)])
def test_a_gpu_that_emulates_it_computes_in_float32(monkeypatch, has: bool, wanted: bool) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return True if including_emulation else has

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert CAN(torch.device("cuda")) is wanted


@pytest.mark.parametrize(("has", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_an_engine_and_the_judges_keep_to_it(monkeypatch, has: bool, kind: torch.dtype) -> None:
    capable(monkeypatch, avx512_bf16=has)
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    engine = Engine(device="cpu", precision="bf16")
    with engine.autocast():
        assert layer(x).dtype == kind
    with autocast(CPU, "bf16"):
        assert layer(x).dtype == kind
    with autocast(CPU, "fp16"):
        assert layer(x).dtype == torch.float16
    with autocast(CPU, "no"):
        assert layer(x).dtype == torch.float32
