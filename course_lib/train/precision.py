"""Which precision a machine computes in: bfloat16 where its hardware has it, float32 elsewhere.

Emulated bfloat16 is right and slow: on a processor with AVX2 alone a U-Net's training step takes
many times as long as in float32. So ``precision="bf16"`` asks for bfloat16 *where that is quicker*,
and one recipe serves laptops, servers and GPUs. bfloat16 has float32's range: no loss is scaled,
and nothing else in a loop depends on which of the two it is.
"""

import torch

# As torch names them: of x86 processors from 2020 on, and of Arm's.
IN_HARDWARE = ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")


def computes_bf16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name) for name in IN_HARDWARE)


def precision_on(device: torch.device, wanted: str) -> str:
    """Return the precision that is computed in where one is wanted: "bf16" or, without it, "no"."""
    return "no" if wanted == "bf16" and not computes_bf16(device) else wanted


def autocast(device: torch.device, wanted: str) -> torch.autocast:
    """Compute in this precision inside the context, as `precision_on` gives it."""
    low = precision_on(device, wanted) != "no"
    return torch.autocast(device.type, torch.bfloat16, enabled=low)
