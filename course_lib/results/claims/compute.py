"""What the compared networks cost, and how their training steps compare with other libraries'."""

from functools import partial

import torch
from torch import nn

from course_lib.recipes import Network
from course_lib.recipes.segmentation import ARCHITECTURES
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import pick_device

SHAPE = (8, 3, 96, 128)  # one batch of streets
NUM_CLASSES = 10


def _make(network: Network) -> nn.Module:
    return network.model(num_classes=NUM_CLASSES, **network.arguments)


def _costs(context: Context) -> Measurement:
    """Parameters and multiply-adds (exact), memory and time of a training step."""
    from course_lib.results.bench.training import Variant, multiply_adds, peak_memory, step_times

    device, rounds = pick_device(context.device), context.pick(smoke=2, full=12)
    torch.manual_seed(context.seed)
    variants: dict[str, Variant] = {}
    for name, network in ARCHITECTURES.items():
        make = partial(_make, network)
        variants[name] = Variant(make)
        variants[f"{name}_quick"] = Variant(make, bf16=True, channels_last=True)
    times = step_times(variants, SHAPE, num_classes=NUM_CLASSES, rounds=rounds, device=device)
    metrics: dict[str, float] = {}
    for name in ARCHITECTURES:
        model = variants[name].make()
        memory = peak_memory(variants[name], SHAPE, num_classes=NUM_CLASSES, device=device)
        metrics |= {
            f"{name}_parameters": sum(p.numel() for p in model.parameters()),
            f"{name}_multiply_adds": multiply_adds(model, (1, *SHAPE[1:])),
            f"{name}_memory_mb": memory / 1e6,
            f"{name}_step_ms": times[name],
            f"{name}_quick_step_ms": times[f"{name}_quick"],
            f"{name}_quick_share": times[f"{name}_quick"] / times[name],
        }
    return Measurement(
        metrics=metrics,
        data=f"random batches of {SHAPE[0]} images at {SHAPE[2]}x{SHAPE[3]}, {NUM_CLASSES} "
        f"classes; multiply-adds of one image forward; times of the fastest of {rounds} rounds in "
        f"turns, {torch.get_num_threads()} thread(s); quick = bfloat16 and channels_last",
    )


def _peers(context: Context) -> Measurement:
    from course_lib.results.bench.training import against_peers

    rounds = context.pick(smoke=2, full=30)
    torch.manual_seed(context.seed)
    device = pick_device(context.device)
    metrics = against_peers(rounds=rounds, device=device, smoke=context.smoke)
    for name in ("ratio", "quick_share"):
        metrics[f"worst_{name}"] = max(v for k, v in metrics.items() if k.endswith(f"_{name}"))
    return Measurement(
        metrics=metrics,
        data="random batches: 4 images (2 for ResNet-50) at 128x128, 10 classes; float32; ours, "
        f"the library's and ours in bfloat16 with channels_last (quick) in turns, the fastest of "
        f"{rounds} rounds each, {torch.get_num_threads()} thread(s)",
    )


CLAIMS = (
    Claim(
        name="segmentation-compute",
        title="Parameters, multiply-adds, memory and step time of the compared networks",
        measure=_costs,
        main="unet_quick_share",
        seeds=(0,),
        minutes=1.5,
    ),
    Claim(
        name="segmentation-step-time",
        title="Time of a training step, ours by the library's at the same architecture",
        measure=_peers,
        main="worst_ratio",
        seeds=(0,),
        minutes=4,
    ),
)
