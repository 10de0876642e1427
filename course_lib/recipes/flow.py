"""Generation by a flow at 32x32: flow matching on digits, shapes and photographs; DDPM beside it.

All have one network, a small U-Net that is told time and class, and one way of training. The number
of updates is what pays on one core. Two variations on digits: a transformer on patches in the place
of the U-Net, and a flow on the codes of an autoencoder.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import Augment, ImageSet, points, to_float
from course_lib.models import VQVAE, CodeGenerator, Flow, LatentFlow
from course_lib.recipes import ring
from course_lib.recipes.generation import DATA, READINGS, SMOKE
from course_lib.recipes.recipe import DataSpec, Sets, check_arguments
from course_lib.train import (
    FlowConfig,
    FlowHistory,
    PointFlowConfig,
    PointsConfig,
    load_checkpoint,
    train_flow,
)

Evaluate = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class FlowRecipe:
    """How a flow is trained on images.

    Args:
        name: of the claim that measured it.
        title: as tables show it.
        data: the images.
        network: arguments of the `TimeUNet`, besides what comes with the data; or of the network
            that `asked` names as its "architecture".
        asked: arguments of the `Flow`, besides its network: path, what it says, solver, guidance.
        config: of the training; its seed is that of the run.
        smoke: the images of a run of seconds that only shows that everything works.
        conditional: whether the network is told the class.

    Raises:
        ValueError: for arguments that no network can be built with.
    """

    name: str
    title: str
    data: DataSpec
    network: dict[str, Any]
    asked: dict[str, Any]
    config: FlowConfig
    smoke: DataSpec
    conditional: bool = True

    def __post_init__(self) -> None:
        check_arguments({k: v for k, v in self.network.items() if k != "heads"})

    def sets(self, root: str | Path | None = None, *, smoke: bool = False) -> Sets:
        """Return training, validation and test set, as `DataSpec.sets` does."""
        return (self.smoke if smoke else self.data).sets(root)

    def config_for(self, seed: int, *, smoke: bool = False) -> FlowConfig:
        """Return the configuration of one seed's run, two steps long for a run of seconds."""
        config = replace(self.config, seed=seed)
        if not smoke:
            return config
        return replace(config, steps=2, batch_size=16, log_every=1, sample_every=1)

    def arguments_for(self, train_set: ImageSet) -> dict[str, Any]:
        """Return all arguments of the flow's constructor for this set."""
        channels, height, width = train_set.images.shape[1:]
        given: dict[str, Any] = {
            "in_channels": channels,
            "size": height if height == width else (height, width),
        }
        if self.conditional:
            given["num_classes"] = train_set.num_classes
        return {"network": {**given, **self.network}, **self.asked}

    def build(self, train_set: ImageSet, seed: int) -> Flow:
        """Return the flow with the random weights of a seed."""
        torch.manual_seed(seed)
        return Flow(**self.arguments_for(train_set))

    def train(
        self,
        train_set: ImageSet,
        *,
        seed: int,
        smoke: bool = False,
        evaluate: Evaluate | None = None,
        evaluate_every: int | None = None,
        out_dir: Path | None = None,
        device: str = "auto",
        progress: bool = True,
    ) -> tuple[Flow, FlowHistory]:
        """Train a flow; what was begun in `out_dir` goes on. The arguments are `train_flow`'s."""
        model = self.build(train_set, seed)
        history = train_flow(
            model,
            train_set,
            config=self.config_for(seed, smoke=smoke),
            evaluate=evaluate,
            evaluate_every=evaluate_every,
            out_dir=out_dir,
            device=device,
            progress=progress,
        )
        return model, history

    def card(self, train_set: ImageSet) -> dict[str, Any]:
        """Return what a checkpoint of the flow says about model and data."""
        card = {
            "arguments": self.arguments_for(train_set),
            "classes": train_set.classes,
            "task": "generation",
            "size": tuple(train_set.images.shape[-2:]),
            "dataset": train_set.name,
        }
        condition = self.data.condition
        return card if condition is None else {**card, "condition": condition}


MEASURED = 5000  # images, of whose codes mean and std are taken


@dataclass(frozen=True, kw_only=True)
class LatentFlowRecipe(FlowRecipe):
    """How a flow is trained on the codes of an autoencoder that was trained before.

    Args:
        autoencoder: a shipped checkpoint, or a file, of a VQ-VAE, with or without its prior.
    """

    autoencoder: str

    def arguments_for(self, train_set: ImageSet) -> dict[str, Any]:
        """Return all arguments of the flow's constructor for this set."""
        classes = {"num_classes": train_set.num_classes} if self.conditional else {}
        codes = self._autoencoder()[1]
        return {"codes": codes, "network": {**classes, **self.network}, **self.asked}

    def build(self, train_set: ImageSet, seed: int) -> LatentFlow:
        """Return the flow with the random weights of a seed, and the trained autoencoder.

        Raises:
            ValueError: for a checkpoint of another model, or images that it does not take.
        """
        trained, codes = self._autoencoder()
        got, wanted = tuple(train_set.images.shape[1:]), (trained.in_channels, *trained.size)
        if got != wanted:
            raise ValueError(
                f"The autoencoder {self.autoencoder} takes images of {wanted[0]}x{wanted[1]}x"
                f"{wanted[2]} (channels, height, width) and {train_set.name} has "
                f"{got[0]}x{got[1]}x{got[2]}. Load the set at that size, or train one for these "
                "images: `course train-code vqvae`, and give its model.safetensors."
            )
        torch.manual_seed(seed)
        model = LatentFlow(**self.arguments_for(train_set))
        model.codes.load_state_dict(trained.state_dict())
        model.measure(to_float(train_set.images[:MEASURED]))
        return model

    def _autoencoder(self) -> tuple[VQVAE, dict[str, Any]]:
        """Return the trained autoencoder and the arguments of its constructor."""
        model, card = load_checkpoint(self.autoencoder)
        if isinstance(model, CodeGenerator):
            return model.codes, card["arguments"]["codes"]
        if isinstance(model, VQVAE):
            return model, card["arguments"]
        raise ValueError(
            f"{self.autoencoder} holds a {type(model).__name__}; a flow on codes needs a VQ-VAE, "
            "such as vqvae-digits."
        )


def with_steps(config: FlowConfig, steps: int) -> FlowConfig:
    """Return a configuration with so many steps, read and drawn equally often over them."""
    readings, sheets = max(1, steps // (5 * READINGS)), max(1, steps // READINGS)
    return replace(config, steps=steps, log_every=readings, sample_every=sheets)


NETWORK: dict[str, Any] = {"widths": (48, 64, 96), "blocks": 1, "patch": 2, "heads": 4}
ASKED: dict[str, Any] = {
    "path": "straight",
    "predicts": "velocity",
    "solver": "heun",
    "steps": 12,
    "guidance": 1.5,
}
CONFIG = FlowConfig(
    steps=1,
    batch_size=64,
    lr=1e-3,
    schedule="cosine",
    warm_up=200,
    clip_norm=1.0,
    times="logit-normal",
    drop_labels=0.1,
    ema_images=20_000,
    precision="bf16",
    channels_last=True,
)
STEPS = {"digits": 8_000, "shapes": 6_000, "cifar10": 15_000}
KINDS = {
    "flow": "Flow matching",
    "ddpm": "DDPM",
    "patch-flow": "Flow matching, transformer on patches",
    "latent-flow": "Flow matching on codes",
}
RECIPES: dict[tuple[str, str], FlowRecipe] = {
    ("flow", task): FlowRecipe(
        name=f"flow-{task}",
        title=KINDS["flow"],
        data=DATA[task],
        network=NETWORK,
        asked=ASKED,
        config=with_steps(
            replace(CONFIG, augment=Augment(flip=True)) if task == "cifar10" else CONFIG, steps
        ),
        smoke=SMOKE[task],
    )
    for task, steps in STEPS.items()
}
# Twice as long as all other generators of shapes, with the guidance that validation images chose
# for the shorter training: what is a longer one good for?
LONG = replace(
    RECIPES["flow", "shapes"],
    name="flow-long-shapes",
    title="Flow matching, twice as long",
    asked={**ASKED, "guidance": 3.0},
    config=with_steps(CONFIG, 2 * STEPS["shapes"]),
)
# The control: all as in flow matching, but for the path, what is learned, and the sampler, which
# takes about as many answers of the network: 48 for a picture with guidance, Heun's way 46.
RECIPES["ddpm", "digits"] = replace(
    RECIPES["flow", "digits"],
    name="ddpm-digits",
    title=KINDS["ddpm"],
    asked={"path": "linear", "predicts": "noise", "solver": "ddim", "steps": 24, "guidance": 1.5},
    config=replace(RECIPES["flow", "digits"].config, times="uniform"),
)
# Another network, all else as in flow matching.
RECIPES["patch-flow", "digits"] = replace(
    RECIPES["flow", "digits"],
    name="patch-flow-digits",
    title=KINDS["patch-flow"],
    network={"width": 128, "layers": 4, "heads": 4, "patch": 4},
    asked={**ASKED, "architecture": "transformer"},
)
# Codes in the place of pixels: maps of 8x8, for which a smaller network will do.
RECIPES["latent-flow", "digits"] = LatentFlowRecipe(
    name="latent-flow-digits",
    title=KINDS["latent-flow"],
    data=DATA["digits"],
    network={"widths": (48, 64), "blocks": 1, "patch": 1, "heads": 4},
    asked=ASKED,
    config=with_steps(CONFIG, 6_000),
    smoke=SMOKE["digits"],
    autoencoder="vqvae-digits",
)

# ---------------------------------------------------------------------------------- in the plane

PLANE_WIDTH, PLANE_LAYERS = 128, 4
PLANE_POINTS = 100_000  # of the training set
PLANE = PointFlowConfig(steps=10_000, batch_size=512, lr=2e-3)
PLANE_STD = {"ring": 0.2, "grid": 0.15, "spiral": 0.1}
# Beside the flow, the ring's two GANs with a penalty. Each discriminator is shown as many points of
# the set as the flow.
PLANE_GANS: dict[str, PointsConfig] = {
    name: replace(config, steps=PLANE.steps // config.critic_steps, batch_size=PLANE.batch_size)
    for name, config in ring.CONFIGS.items()
    if name in ("non-saturating-r1", "wgan-gp")
}
PLANE_COMPONENTS = (8, 16, 32, 64)  # of a mixture by EM; held-out points choose
PLANE_PASSES = PLANE.steps * PLANE.batch_size // PLANE_POINTS  # of EM, at most


def plane_centres(name: str) -> Tensor:
    """Return the centres (M, 2) of a density: Gaussians around them, equally likely.

    The spiral is one of `course_lib.data.points`: its centres lie densely on the curve.
    """
    if name == "ring":
        return points.ring_centres(8)
    if name == "grid":
        return points.grid_centres(4)
    share = (torch.arange(2000) + 0.5) / 2000
    angle, radius = 3 * math.pi * share, 0.5 + 1.5 * share
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


# ----------------------------------------------------------------------------- copies of the set

MEMORY = {num: f"flow-memory-{num}" for num in (64, 512, 4096)}  # training images, name of the run
MEMORY_STEPS = 4000
MEMORY_NETWORK: dict[str, Any] = {**NETWORK, "widths": (32, 48, 64)}


def memory_recipe(num: int) -> FlowRecipe:
    """Return the recipe that learns from so few digits, as long as from many."""
    base = RECIPES["flow", "digits"]
    return replace(
        base,
        name=MEMORY[num],
        data=replace(base.data, num_train=num),
        network=MEMORY_NETWORK,
        asked={**ASKED, "guidance": 1.0},
        config=replace(with_steps(base.config, MEMORY_STEPS), drop_labels=0.0),
        conditional=False,
        smoke=replace(base.smoke, num_train=32),
    )
