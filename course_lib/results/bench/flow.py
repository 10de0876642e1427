"""What a step of the network with time costs, beside diffusers' U-Net, measured in turns.

    python -m course_lib.results.bench.flow

prints the ratios; ``course results run --only flow-step-time`` stores them. Both networks have
equal widths, blocks and attention, and `weights_for` gives one the other's weights: they compute
the same. Both are trained by the same plain step.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.models import TimeUNet
from course_lib.train.engine import pick_device

WIDTHS = (32, 64, 96)


def peer_of(net: TimeUNet) -> nn.Module:
    """Return diffusers' `UNet2DModel` of equal widths and blocks, with attention in the middle.

    Args:
        net: without classes, one pixel a place, four heads at least as wide as the peer's.
    """
    from diffusers import UNet2DModel

    coarser: list[Any] = [layer.out_channels for layer in list(net.shrink)[1:]]
    widths = [net.first.out_channels, *coarser, net.middle1.conv1.out_channels]
    heads = int(net.attention.heads)  # type: ignore[arg-type]
    peer: Any = UNet2DModel(
        sample_size=net.size,
        in_channels=net.in_channels,
        out_channels=net.in_channels,
        block_out_channels=tuple(widths),
        layers_per_block=net.blocks,
        down_block_types=("DownBlock2D",) * len(widths),
        up_block_types=("UpBlock2D",) * len(widths),
        attention_head_dim=widths[-1] // heads,
        norm_num_groups=8,
        attn_norm_num_groups=8,
        norm_eps=1e-5,
        flip_sin_to_cos=True,
        freq_shift=0,
        resnet_time_scale_shift="scale_shift",
        downsample_padding=1,
    )
    return peer


def weights_for(net: TimeUNet) -> dict[str, Tensor]:
    """Return the weights of a network under the names that `UNet2DModel` has for them."""
    ours = net.state_dict()
    found: dict[str, Tensor] = {}

    def take(mine: str, theirs: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{theirs}.{kind}"] = ours[f"{mine}.{kind}"]

    def block(mine: str, theirs: str) -> None:
        for a, b in (
            ("norm1", "norm1"),
            ("conv1", "conv1"),
            ("modulate", "time_emb_proj"),
            ("norm2", "norm2"),
            ("conv2", "conv2"),
        ):
            take(f"{mine}.{a}", f"{theirs}.{b}")
        if f"{mine}.around.weight" in ours:
            take(f"{mine}.around", f"{theirs}.conv_shortcut")

    take("first", "conv_in")
    take("embedding.layers.0", "time_embedding.linear_1")
    take("embedding.layers.2", "time_embedding.linear_2")
    levels = len(net.shrink) + 1
    for level in range(levels):
        for number in range(net.blocks):
            block(f"down.{level * net.blocks + number}", f"down_blocks.{level}.resnets.{number}")
        if level < levels - 1:
            take(f"shrink.{level}", f"down_blocks.{level}.downsamplers.0.conv")
        for number in range(net.blocks + 1):
            place = level * (net.blocks + 1) + number
            block(f"up.{place}", f"up_blocks.{level}.resnets.{number}")
        if level < levels - 1:
            take(f"enlarge.{level}", f"up_blocks.{level}.upsamplers.0.conv")
    block("middle1", "mid_block.resnets.0")
    block("middle2", "mid_block.resnets.1")
    attention = "mid_block.attentions.0"
    take("attention.norm", f"{attention}.group_norm")
    take("attention.out", f"{attention}.to_out.0")
    for kind in ("weight", "bias"):
        parts = ours[f"attention.project.{kind}"].chunk(3)
        for name, part in zip(("to_q", "to_k", "to_v"), parts, strict=True):
            found[f"{attention}.{name}.{kind}"] = part
    take("norm", "conv_norm_out")
    take("last", "conv_out")
    return found


def step_times(
    *,
    widths: tuple[int, ...] = WIDTHS,
    blocks: int = 1,
    batch_size: int = 16,
    size: int = 32,
    rounds: int = 12,
    device: str | torch.device = "cpu",
) -> dict[str, float]:
    """Time a training step of diffusers' network, of ours, and of ours made quick.

    Whatever else the machine does only adds time, so the fastest round of each counts. On a machine
    that is never quiet even that one was disturbed; the time that the process itself computed, on a
    CPU, is not: its ratios are medians over the rounds, each step beside the others of its round.

    Args:
        widths: channels at each resolution.
        blocks: residual blocks at each resolution.
        batch_size: images in a batch, in colour.
        size: their side.
        rounds: how many, in turns; one more warms up.
        device: where to compute.

    Returns:
        "peer_ms", "ours_ms" and "quick_ms" (bfloat16 and channels_last) of a step, "ratio" (ours by
        the peer's), "quick_share" (quick by ours), the last two by the time computed,
        "computed_ratio" and "computed_quick_share", and "difference", the largest of the two
        networks' answers with equal weights.
    """
    where = pick_device(device)
    torch.manual_seed(0)

    def make() -> TimeUNet:
        return TimeUNet(in_channels=3, size=size, widths=widths, blocks=blocks, patch=1).to(where)

    ours, quick = make(), make().to(memory_format=torch.channels_last)
    for part in ours.parameters():  # what begins at 0 would hide a difference
        nn.init.normal_(part, 0.0, 0.1)
    peer = peer_of(ours).to(where)
    peer.load_state_dict(weights_for(ours))
    x = torch.randn(batch_size, 3, size, size, device=where)
    t = torch.rand(batch_size, device=where)
    with torch.no_grad():
        difference = (ours(x, t) - peer(x, 1000 * t).sample).abs().max().item()

    def step(net: nn.Module, low: bool) -> Callable[[], None]:
        adam = torch.optim.Adam(net.parameters(), lr=1e-5, fused=True)
        given = x.contiguous(memory_format=torch.channels_last) if low else x

        def run() -> None:
            with torch.autocast(where.type, torch.bfloat16, enabled=low):
                said = net(given, t) if net is not peer else net(given, 1000 * t).sample
            (said.float() - given).square().mean().backward()
            adam.step()
            adam.zero_grad()
            if where.type == "cuda":
                torch.cuda.synchronize(where)

        return run

    work = {"peer": step(peer, False), "ours": step(ours, False), "quick": step(quick, True)}
    times: dict[str, list[float]] = {name: [] for name in work}
    computed: dict[str, list[float]] = {name: [] for name in work}
    orders = list(itertools.permutations(work))
    for turn in range(rounds + 1):
        for name in orders[turn % len(orders)]:
            started, computing = time.perf_counter(), time.process_time()
            work[name]()
            times[name].append(time.perf_counter() - started)
            computed[name].append(time.process_time() - computing)
    best = {name: 1000 * min(values[1:]) for name, values in times.items()}

    def median_ratio(one: str, other: str) -> float:
        pairs = zip(computed[one][1:], computed[other][1:], strict=True)
        return statistics.median(a / b for a, b in pairs)

    return {
        **{f"{name}_ms": value for name, value in best.items()},
        "ratio": best["ours"] / best["peer"],
        "quick_share": best["quick"] / best["ours"],
        "computed_ratio": median_ratio("ours", "peer"),
        "computed_quick_share": median_ratio("quick", "ours"),
        "difference": difference,
    }


if __name__ == "__main__":
    for key, value in step_times().items():
        print(f"{key:>12}: {value:.4f}")
