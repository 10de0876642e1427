"""``course train-flow``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from course_lib.cli.generation import Pictures
from course_lib.cli.options import (
    SMALLEST_DISK,
    Hidden,
    Place,
    Plain,
    arguments_of,
    asked,
    changes,
    chosen,
    first_process,
    images_of,
    plain,
    read,
    said,
    values_of,
)
from course_lib.data import Augment
from course_lib.models import Flow
from course_lib.models.flow import NETWORKS
from course_lib.recipes import FLOW_KINDS, FLOWS, DataSpec, FlowRecipe, LatentFlowRecipe
from course_lib.recipes.flow import with_steps
from course_lib.train import FlowConfig, save_checkpoint
from course_lib.train.files import check_room

BY_THE_KIND = ("network", "architecture")  # arguments of a flow that its kind tells


@dataclass(frozen=True, kw_only=True)
class TrainFlow:
    """Train a flow or a diffusion; goes on exactly where it stopped when started again.

    The options start from the recipe that was measured for this kind and these images, or from the
    nearest one. Readings and sheets keep their share of the steps, unless they are given. How
    samples are drawn (solver, steps, guidance) begins with --asked, as --asked.steps.

    Args:
        out: folder of the run.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        unconditional: do not tell the network the class.
        autoencoder: for a latent-flow: a shipped checkpoint, or a file, of a VQ-VAE.
        device: auto, cpu or cuda.
        quiet: no progress bar.
    """

    base: Hidden[FlowRecipe]
    pair: Hidden[tuple[str, str]]
    images: Plain[Pictures]
    network: Plain[Any]
    asked: Any
    training: Plain[tyro.conf.AvoidSubcommands[FlowConfig]]
    out: Place
    root: Path | None = None
    unconditional: bool = False
    autoencoder: str | None = None
    device: str = "auto"
    quiet: bool = False

    def recipe(self) -> FlowRecipe:
        """Return what these options ask for."""
        usual, config = self.base.config, self.training
        if config.augment == Augment():
            config = replace(config, augment=None)
        if config.steps != usual.steps:
            scaled = with_steps(config, config.steps)
            same = [
                name
                for name in ("log_every", "sample_every")
                if getattr(config, name) == getattr(usual, name)
            ]
            config = replace(config, **{name: getattr(scaled, name) for name in same})
        given = chosen(vars(self.asked), Flow, self.base.asked)
        given |= {k: v for k, v in self.base.asked.items() if k in BY_THE_KIND}
        if self.unconditional:  # guidance and dropping need a class
            for option, value, by_itself in (
                ("--asked.guidance", self.asked.guidance, self.base.asked.get("guidance", 1.0)),
                ("--drop-labels", config.drop_labels, usual.drop_labels),
            ):
                if value not in (by_itself, 1.0 if option == "--asked.guidance" else 0.0):
                    raise ValueError(
                        f"{option} is {value}, which needs classes, and --unconditional is set: "
                        "leave one of them out."
                    )
            config, given = replace(config, drop_labels=0.0), {**given, "guidance": 1.0}
        base = self.base
        if isinstance(base, LatentFlowRecipe):
            base = replace(base, autoencoder=self.autoencoder or base.autoencoder)
        elif self.autoencoder:
            raise ValueError(
                f"--autoencoder is {self.autoencoder}, and a {self.pair[0]} draws pixels: train a "
                "latent-flow, or leave it out."
            )
        return replace(
            base,
            data=DataSpec(**vars(self.images)),
            network=chosen(vars(self.network), network_of(base), base.network),
            asked=given,
            config=config,
            conditional=not self.unconditional,
        )

    def run(self) -> int:
        """Train, and save the flow with its card."""
        recipe, base = self.recipe(), self.base
        changed = changes(base.data, recipe.data) + changes(base.config, recipe.config)
        changed += changes(base.network, recipe.network) + changes(base.asked, recipe.asked)
        if isinstance(base, LatentFlowRecipe) and isinstance(recipe, LatentFlowRecipe):
            by = "autoencoder"
            changed += changes({by: base.autoencoder}, {by: recipe.autoencoder})
        print(said(base.name, self.pair in FLOWS, changed), flush=True)
        check_room(self.out, SMALLEST_DISK)
        train_set = recipe.data.load("train", self.root)
        model, history = recipe.train(
            train_set,
            seed=recipe.config.seed,
            out_dir=self.out,
            device=self.device,
            progress=not self.quiet,
        )
        if first_process():
            last = history.steps[-1].items()
            print("; ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in last))
            card = {**recipe.card(train_set), "data": f"{recipe.data.name} {train_set.fingerprint}"}
            path = save_checkpoint(self.out / "model.safetensors", model, card, half=False)
            print(f"saved {path}; look at {self.out / 'samples'}, and draw with course sample")
        return 0


def network_of(recipe: FlowRecipe) -> Any:
    """Return the class of a recipe's network."""
    return NETWORKS[recipe.asked.get("architecture", "unet")]


def nearest(kind: str, data: str | None) -> FlowRecipe:
    """Return the measured recipe of a kind on a data set, or else the kind's on those images."""
    own = [recipe for (name, _), recipe in FLOWS.items() if name == kind]
    if data is None or (kind, data) in FLOWS:
        return FLOWS.get((kind, data or ""), own[0])
    known = [recipe.data for recipe in FLOWS.values() if recipe.data.name == data]
    images = known[0] if known else DataSpec(name=data, size=own[0].data.size)
    return replace(own[0], data=replace(images, task="classification"))


def parse(words: list[str]) -> TrainFlow:
    """Return what these words ask for."""
    kind, data = asked(words, "train-flow", FLOWS, FLOW_KINDS)
    base = nearest(kind, data)
    make = network_of(base)
    network = arguments_of(make, values_of(make, base.network))
    values = values_of(Flow, base.asked)
    ways = arguments_of(Flow, {k: v for k, v in values.items() if k not in BY_THE_KIND})
    command = TrainFlow(
        base=base,
        pair=(kind, data or ""),
        images=Pictures(**vars(images_of(base.data, data))),
        network=network,
        asked=ways,
        training=replace(base.config, augment=base.config.augment or Augment()),
        out=tyro.MISSING,
    )
    own = {"network": plain(network), "asked": type(ways)}
    return read(command, own, words[1:], f"train-flow {kind}")
