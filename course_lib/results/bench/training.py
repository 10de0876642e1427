"""What a training step costs: multiply-adds, memory, and time beside a peer's, measured in turns.

    python -m course_lib.results.bench.training  our networks beside those of other libraries

prints the ratios; ``course results run --only segmentation-step-time`` stores them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Variant:
    """One thing to time: a network, and how it is trained.

    Args:
        make: returns the network; it returns logits (B, K, H, W), or a dictionary with them under
            "out", as torchvision's do.
        bf16: whether the forward pass runs under bfloat16 autocast.
        channels_last: whether images and weights are stored with the channels innermost.
    """

    make: Make
    bf16: bool = False
    channels_last: bool = False


class Step:
    """A training step of one variant on one random batch, ready to be repeated.

    Args:
        variant: what is trained.
        shape: of the batch of images, (B, C, H, W).
        num_classes: number of labels.
        device: where to compute.
    """

    def __init__(
        self,
        variant: Variant,
        shape: tuple[int, int, int, int],
        num_classes: int,
        device: torch.device,
    ) -> None:
        layout = torch.channels_last if variant.channels_last else torch.contiguous_format
        self.device, self.bf16 = device, variant.bf16
        self.model = variant.make().to(device).to(memory_format=layout).train()
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(shape, generator=generator).to(device)
        self.images = images.contiguous(memory_format=layout)
        size = (shape[0], *shape[2:])
        self.labels = torch.randint(num_classes, size, generator=generator).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)

    def __call__(self) -> None:
        """Forward, backward, update."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = F.cross_entropy(logits_of(self.model(self.images)), self.labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def seconds(self) -> float:
        """Wall time of one step, the device's work included."""
        started = time.perf_counter()
        self()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - started


def logits_of(output: Tensor | dict[str, Tensor]) -> Tensor:
    """Return the logits of a network, ours or torchvision's."""
    return output["out"] if isinstance(output, dict) else output


def step_times(
    variants: dict[str, Variant],
    shape: tuple[int, int, int, int],
    *,
    num_classes: int = 10,
    rounds: int = 10,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Time one training step of each variant, in turns.

    Each round runs one step of every variant, in an order that turns by one from round to round.
    Whatever else the machine does only adds time, so the fastest round of each variant counts.

    Args:
        variants: name -> what is timed.
        shape: of the batch, (B, C, H, W).
        num_classes: number of labels.
        rounds: how many; one more warms up.
        device: where to compute.

    Returns:
        Name -> milliseconds of the fastest step.
    """
    steps = {
        name: Step(variant, shape, num_classes, torch.device(device))
        for name, variant in variants.items()
    }
    names = list(steps)
    fastest = dict.fromkeys(names, float("inf"))
    for step in steps.values():
        step()
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            fastest[name] = min(fastest[name], 1000 * steps[name].seconds())
    return fastest


def multiply_adds(model: nn.Module, shape: tuple[int, int, int, int]) -> int:
    """Count the multiply-adds of one forward pass in convolutions and matrix products.

    Normalisation, activations, pooling and interpolation are not counted.

    Args:
        model: any; put into eval mode and back.
        shape: of the batch, (B, C, H, W).

    Returns:
        Multiply-adds; one is two floating-point operations.
    """
    was_training = model.training
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(shape, device=device))
    model.train(was_training)
    return counter.get_total_flops() // 2


def peak_memory(
    variant: Variant,
    shape: tuple[int, int, int, int],
    *,
    num_classes: int = 10,
    device: torch.device | str = "cpu",
) -> int:
    """Return the most bytes that a training step holds beyond weights and optimiser's state.

    Mostly what the forward pass keeps for the backward pass, and the gradients. On a CPU the
    allocations are read from PyTorch's profiler (working memory inside of kernels is not seen); on
    a GPU from its allocator.
    """
    where = torch.device(device)
    step = Step(variant, shape, num_classes, where)
    step()  # the optimiser's state is made in the first step
    if where.type == "cuda":
        torch.cuda.synchronize(where)
        torch.cuda.reset_peak_memory_stats(where)
        before = torch.cuda.memory_allocated(where)
        step()
        torch.cuda.synchronize(where)
        return int(torch.cuda.max_memory_allocated(where) - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    return _peak_of(profiler)


def _peak_of(profiler: profile) -> int:
    """Add up allocations and releases in the order of their times."""
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events: list[Any] = profiler.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    held = highest = 0
    for _, change in changes:
        held += change
        highest = max(highest, held)
    return highest


@dataclass(frozen=True)
class Peer:
    """The same architecture twice: ours, and a library's.

    Args:
        ours: makes the course's network.
        theirs: makes the library's.
        library: its name.
        shape: of the batch, (B, C, H, W).
        num_classes: number of labels.
    """

    ours: Make
    theirs: Make
    library: str
    shape: tuple[int, int, int, int]
    num_classes: int = 10


def peers(*, smoke: bool = False) -> dict[str, Peer]:
    """Return the pairs that are timed; on the same weights each pair gives the same logits.

    Args:
        smoke: with small images, to see that all of it runs.

    Raises:
        ImportError: if one of the libraries is not installed.
    """
    import monai.networks.nets as monai
    import segmentation_models_pytorch as smp
    import torchvision.models.segmentation as tv

    from course_lib.models import DeepLabV3, DeepLabV3Plus, DilatedFCN, ResNetUNet, UNet
    from course_lib.models.backbones import backbone

    def deeplab() -> nn.Module:
        """DeepLabV3+ with that library's conventions: its rates, its corners, its dilation."""
        model = DeepLabV3Plus(
            backbone="resnet18", num_classes=10, rates=(12, 24, 36), align_corners=True
        )
        model.backbone = backbone("resnet18", output_stride=16, dilate_first=True)
        return model

    small = (2, 3, 64, 64) if smoke else (4, 3, 128, 128)
    large = (2, 3, 64, 64) if smoke else (2, 3, 128, 128)
    relu = ("RELU", {"inplace": True})
    return {
        "resnet_unet": Peer(
            lambda: ResNetUNet(encoder="resnet18", num_classes=10),
            lambda: smp.Unet("resnet18", encoder_weights=None, classes=10),
            "segmentation_models_pytorch",
            small,
        ),
        "unet": Peer(
            lambda: UNet(widths=(32, 32, 64, 128, 256), num_classes=10),
            lambda: monai.BasicUNet(
                spatial_dims=2,
                in_channels=3,
                out_channels=10,
                features=(32, 32, 64, 128, 256, 32),
                act=relu,
                norm="batch",
                bias=False,
            ),
            "monai",
            small,
        ),
        "deeplabv3plus": Peer(
            deeplab,
            lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=10),
            "segmentation_models_pytorch",
            small,
        ),
        "dilated_fcn": Peer(
            lambda: DilatedFCN(backbone="resnet50", num_classes=10),
            lambda: tv.fcn_resnet50(weights=None, weights_backbone=None, num_classes=10),
            "torchvision",
            large,
        ),
        "deeplabv3": Peer(
            lambda: DeepLabV3(backbone="resnet50", output_stride=8, num_classes=10),
            lambda: tv.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=10),
            "torchvision",
            large,
        ),
    }


def against_peers(
    *, rounds: int = 10, device: torch.device | str = "cpu", smoke: bool = False
) -> dict[str, float]:
    """Time each pair of `peers` in turns.

    Returns:
        For each pair its "_ms", "_peer_ms" and "_ratio" (ours by theirs), and "_quick_share": what
        bfloat16 and channels_last leave of our time.
    """
    found: dict[str, float] = {}
    for name, pair in peers(smoke=smoke).items():
        times = step_times(
            {
                "ours": Variant(pair.ours),
                "theirs": Variant(pair.theirs),
                "quick": Variant(pair.ours, bf16=True, channels_last=True),
            },
            pair.shape,
            num_classes=pair.num_classes,
            rounds=rounds,
            device=device,
        )
        found[f"{name}_ms"], found[f"{name}_peer_ms"] = times["ours"], times["theirs"]
        found[f"{name}_ratio"] = times["ours"] / times["theirs"]
        found[f"{name}_quick_share"] = times["quick"] / times["ours"]
    return found


def main() -> None:
    """Print each pair's times and their ratio."""
    measured = against_peers()
    for name, pair in peers().items():
        ours, theirs, ratio = (measured[f"{name}_{k}"] for k in ("ms", "peer_ms", "ratio"))
        quick = measured[f"{name}_quick_share"]
        print(
            f"{name:15} {ours:8.1f} ms  {pair.library:28} {theirs:8.1f} ms  ratio {ratio:.3f}  "
            f"bf16 and channels_last {quick:.3f}"
        )


if __name__ == "__main__":
    main()
