"""Which precision a machine computes in: bfloat16 where its hardware has it, float32 elsewhere.

Emulated bfloat16 is right and slow: on a processor with AVX2 alone a U-Net's training step takes
many times as long as in float32. So ``precision="bf16"`` asks for bfloat16 *where that is quicker*,
and one recipe serves laptops, servers and GPUs. bfloat16 has float32's range: no loss is scaled,
and nothing else in a loop depends on which of the two it is.
"""

import torch

# What does so, as torch names it: two extensions of x86 processors, and Arm's.
IN_HARDWARE = ("avx512_bf16", "amx_bf16", "bf16")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
    dtype = DTYPES.get(precision_on(device, wanted))
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
