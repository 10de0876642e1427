"""``course train``: starts from the recipe that was measured; an option replaces one field."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from course_lib.cli.options import (
    SMALLEST_DISK,
    Hidden,
    Images,
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
from course_lib.recipes import NETWORKS, SUPERVISED, DataSpec, Recipe
from course_lib.train import TrainConfig, save_checkpoint, train_detection, train_supervised
from course_lib.train.files import check_room


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a network on labelled images; goes on exactly where it stopped when started again.

    The options start from the recipe that was measured for this network and these images, or from
    the nearest one.

    Args:
        out: folder of the run.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        device: auto, cpu or cuda.
        tensorboard: log curves for TensorBoard.
        quiet: no progress bar.
    """

    base: Hidden[Recipe]
    pair: Hidden[tuple[str, str]]
    images: Plain[Images]
    network: Plain[Any]
    training: Plain[tyro.conf.AvoidSubcommands[TrainConfig]]
    out: Place
    root: Path | None = None
    device: str = "auto"
    tensorboard: bool = False
    quiet: bool = False

    def recipe(self) -> Recipe:
        """Return what these options ask for."""
        network = self.base.network
        given = chosen(vars(self.network), network.model, network.arguments)
        augment = None if self.training.augment == Augment() else self.training.augment
        return replace(
            self.base,
            data=DataSpec(**vars(self.images)),
            network=replace(network, arguments=given),
            config=replace(self.training, augment=augment),
        )

    def run(self) -> int:
        """Train, and save the best weights with their card."""
        recipe, base = self.recipe(), self.base
        changed = changes(base.data, recipe.data) + changes(base.config, recipe.config)
        changed += changes(base.network.arguments, recipe.network.arguments)
        print(said(base.name, self.pair in SUPERVISED, changed), flush=True)
        check_room(self.out, SMALLEST_DISK)
        train_set, val_set = (recipe.data.load(split, self.root) for split in ("train", "val"))
        model = recipe.build(train_set, recipe.config.seed)
        train = train_detection if train_set.task == "instance" else train_supervised
        history = train(
            model,
            train_set,
            val_set,
            config=recipe.config,
            out_dir=self.out,
            device=self.device,
            progress=not self.quiet,
            tensorboard=self.tensorboard,
        )
        if first_process():
            card = {**recipe.card(train_set), "data": f"{recipe.data.name} {train_set.fingerprint}"}
            path = save_checkpoint(self.out / "model.safetensors", model, card, half=False)
            if history.best_epoch is not None:
                best = f"{history.score} {history.best_score:.4f}"
                print(f"best epoch {history.best_epoch + 1}: {best}")
            print(f"saved {path}")
        return 0


def nearest(network: str, data: str | None) -> Recipe:
    """Return the measured recipe of a network on a data set, or else the nearest one.

    The nearest is that of the data set, with the network's own arguments where a recipe gives some;
    else that of the network, on all of the other images. Without a data set it is the network's
    first.
    """
    own = [recipe for (name, _), recipe in SUPERVISED.items() if name == network]
    task = own[0].data.task if own else "semantic"
    alike = [recipe for recipe in SUPERVISED.values() if recipe.data.task == task]
    if data and (network, data) in SUPERVISED:
        return SUPERVISED[network, data]
    base = ([recipe for recipe in alike if recipe.data.name == data] + own + alike)[0]
    if data and base.data.name != data:
        base = replace(base, data=DataSpec(name=data, size=base.data.size, task=task))
    return replace(base, network=own[0].network if own else NETWORKS[network])


def parse(words: list[str]) -> Train:
    """Return what these words ask for."""
    network, data = asked(words, "train", SUPERVISED, NETWORKS)
    base = nearest(network, data)
    own = base.network
    arguments = arguments_of(own.model, values_of(own.model, own.arguments))
    command = Train(
        base=base,
        pair=(network, data or ""),
        images=images_of(base.data, data),
        network=arguments,
        training=replace(base.config, augment=base.config.augment or Augment()),
        out=tyro.MISSING,
    )
    return read(command, {"network": plain(arguments)}, words[1:], f"train {network}")
