"""What a recipe is: the images, the network and the training behind one measured result."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib.data import ImageSet, load
from course_lib.data.loading import SCENE_COUNT, SCENES, size_of
from course_lib.data.workers import memory_free
from course_lib.train import GANConfig, TrainConfig

Sets = tuple[ImageSet, ImageSet, ImageSet]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which images are learned from, which choose the epoch, and which judge.

    Args:
        name: of a data set, see `course data list`.
        size: height and width in pixels, or one number for a square; ``None``: as they come.
        task: "classification", "semantic" or "instance"; ``None``: the data set's first.
        condition: in which scenes are drawn, such as "plain" for shapes; ``None``: the usual one.
        num_train: use only so many training images; ``None``: all of them.
        num_val: the same for the validation images.
        num_test: the same for the test images.
        scene_seed: another seed draws other scenes.

    Raises:
        ValueError: for a size or a number below 1.
    """

    name: str
    size: int | tuple[int, int] | None = None
    task: str | None = None
    condition: str | None = None
    num_train: int | None = None
    num_val: int | None = None
    num_test: int | None = None
    scene_seed: int = 0

    def __post_init__(self) -> None:
        size_of(self.size)
        for split, num in self.numbers.items():
            if num is not None and num < 1:
                raise ValueError(f"num_{split} is {num}; it must be at least 1, or None for all.")

    @property
    def numbers(self) -> dict[str, int | None]:
        """How many images of each split are used; ``None``: all."""
        return {"train": self.num_train, "val": self.num_val, "test": self.num_test}

    @property
    def drawn(self) -> bool:
        """Whether these are scenes drawn by code."""
        return self.name in SCENES

    def load(self, split: str, root: str | Path | None = None) -> ImageSet:
        """Return one split.

        Args:
            split: "train", "val" or "test".
            root: folder of the images; drawn scenes with a root are read from there.

        Raises:
            ValueError: for data that cannot be read, or scenes that do not fit into the memory.
        """
        num = self.numbers[split]
        if self.drawn and root is None:
            height, width = size_of(self.size) or (1, 1)
            count, free = num or SCENE_COUNT[split], memory_free()
            if count * height * width * 4 > free:
                raise ValueError(
                    f"{count} scenes of {height}x{width} pixels do not fit into the "
                    f"{free / 1e9:.1f} GB of memory that are free; draw fewer, or smaller ones."
                )
        return load(
            self.name,
            split,
            size=self.size,
            task=self.task,
            root=root,
            num=num,
            seed=self.scene_seed,
            condition=self.condition,
        )

    def sets(self, root: str | Path | None = None) -> Sets:
        """Return training, validation and test set.

        Args:
            root: folder of the real data sets; ``None``: the usual places. Scenes are drawn.
        """
        place = None if self.drawn else root
        return self.load("train", place), self.load("val", place), self.load("test", place)


def check_arguments(arguments: dict[str, Any]) -> None:
    """Refuse numbers that no network can be built with.

    Raises:
        ValueError: for a whole number below 1, or one that is negative or not finite.
    """
    for name, value in arguments.items():
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if isinstance(number, int) and number < 1:
                raise ValueError(f"{name} is {value}; whole numbers here must be at least 1.")
            if not 0 <= number < float("inf"):
                raise ValueError(f"{name} is {value}; it must be finite and at least 0.")


@dataclass(frozen=True)
class Network:
    """A network by the name that the command line knows it by.

    Args:
        title: as tables show it.
        model: its class.
        arguments: of its constructor, besides channels and classes, which come with the data.
    """

    title: str
    model: type[nn.Module]
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained on labelled images.

    Args:
        name: of the claim that measured it.
        data: the images.
        network: what is trained.
        config: of the training; its seed is that of the run.
        smoke: the images of a run of seconds that only shows that everything works.

    Raises:
        ValueError: for arguments that no network can be built with.
    """

    name: str
    data: DataSpec
    network: Network
    config: TrainConfig
    smoke: DataSpec

    def __post_init__(self) -> None:
        check_arguments(self.network.arguments)

    def sets(self, root: str | Path | None = None, *, smoke: bool = False) -> Sets:
        """Return training, validation and test set, as `DataSpec.sets` does."""
        return (self.smoke if smoke else self.data).sets(root)

    def config_for(self, seed: int, *, smoke: bool = False) -> TrainConfig:
        """Return the configuration of one seed's run, one epoch long for a run of seconds."""
        config = replace(self.config, seed=seed)
        return replace(config, epochs=1) if smoke else config

    def arguments_for(self, train_set: ImageSet) -> dict[str, Any]:
        """Return all arguments of the network's constructor for this set."""
        channels = train_set.images.shape[1]
        sizes = {"num_classes": train_set.num_classes}
        if channels != 3:
            sizes["in_channels"] = channels
        return {**sizes, **self.network.arguments}

    def build(self, train_set: ImageSet, seed: int) -> nn.Module:
        """Return the network with the random weights of a seed."""
        torch.manual_seed(seed)
        return self.network.model(**self.arguments_for(train_set))

    def card(self, train_set: ImageSet) -> dict[str, Any]:
        """Return what a checkpoint says about network and data."""
        arguments = self.arguments_for(train_set)
        arguments.pop("weights", None)  # a checkpoint has its own
        return {"arguments": arguments, **_about(train_set, train_set.task)}


def _about(train_set: ImageSet, task: str) -> dict[str, Any]:
    return {
        "classes": train_set.classes,
        "task": task,
        "size": tuple(train_set.images.shape[-2:]),
        "dataset": train_set.name,
    }


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of generator with its opponent, and how the two are trained on any images.

    Args:
        title: as tables show it.
        generator: its class.
        discriminator: the opponent's class.
        arguments: of the generator's constructor, besides what comes with the data.
        opponent: the same for the discriminator.
        config: rates, loss and penalty; its steps are those of the comparison.
    """

    title: str
    generator: type[nn.Module]
    discriminator: type[nn.Module]
    arguments: dict[str, Any]
    opponent: dict[str, Any]
    config: GANConfig


@dataclass(frozen=True, kw_only=True)
class GANRecipe:
    """How a generator and its opponent are trained on images.

    Args:
        name: of the claim that measured it.
        data: the images.
        family: the two networks.
        config: of the game; its seed is that of the run.
        smoke: the images of a run of seconds that only shows that everything works.
        conditional: whether both players are told the class.

    Raises:
        ValueError: for arguments that no network can be built with.
    """

    name: str
    data: DataSpec
    family: Family
    config: GANConfig
    smoke: DataSpec
    conditional: bool = False

    def __post_init__(self) -> None:
        check_arguments(self.family.arguments | self.family.opponent)

    def sets(self, root: str | Path | None = None, *, smoke: bool = False) -> Sets:
        """Return training, validation and test set, as `DataSpec.sets` does."""
        return (self.smoke if smoke else self.data).sets(root)

    def config_for(self, seed: int, *, smoke: bool = False) -> GANConfig:
        """Return the configuration of one seed's run, two steps long for a run of seconds."""
        config = replace(self.config, seed=seed)
        if not smoke:
            return config
        return replace(config, steps=2, batch_size=16, log_every=1, sample_every=1)

    def arguments_for(self, train_set: ImageSet) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all arguments of both constructors for this set."""
        channels, height, width = train_set.images.shape[1:]
        common: dict[str, Any] = {}
        if "size" in signature(self.family.generator).parameters:
            common["size"] = height if height == width else (height, width)
        if self.conditional:
            common["num_classes"] = train_set.num_classes
        return (
            {"out_channels": channels, **common, **self.family.arguments},
            {"in_channels": channels, **common, **self.family.opponent},
        )

    def build(self, train_set: ImageSet, seed: int) -> tuple[nn.Module, nn.Module]:
        """Return generator and discriminator with the random weights of a seed."""
        ours, theirs = self.arguments_for(train_set)
        torch.manual_seed(seed)
        return self.family.generator(**ours), self.family.discriminator(**theirs)

    def card(self, train_set: ImageSet) -> dict[str, Any]:
        """Return what a checkpoint of the generator says about network and data."""
        card = {"arguments": self.arguments_for(train_set)[0], **_about(train_set, "generation")}
        condition = self.data.condition
        return card if condition is None else {**card, "condition": condition}
