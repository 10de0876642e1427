"""``course train-gan`` and ``course sample``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from torchvision.utils import save_image

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
from course_lib.models import generator_of
from course_lib.recipes import FAMILIES, GANS, DataSpec, GANRecipe
from course_lib.recipes.generation import at_length
from course_lib.train import (
    GANConfig,
    draw_samples,
    load_checkpoint,
    pick_device,
    sample_scores,
    save_checkpoint,
    train_gan,
)
from course_lib.train.files import check_room, whole

MOST_SAMPLES = 10_000  # on one sheet


@dataclass(frozen=True, kw_only=True)
class Pictures(Images):
    """Which images are learned from."""

    __doc__ = DataSpec.__doc__

    num_val: Hidden[int | None] = None


@dataclass(frozen=True, kw_only=True)
class TrainGAN:
    """Train a generator; goes on exactly where it stopped when started again.

    The options start from the recipe that was measured for this family and these images, or from
    the nearest one. Readings and sample sheets keep their share of the steps, and another penalty
    has weight and interval of its own, unless they are given.

    Args:
        out: folder of the run.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        conditional: tell both players the class.
        device: auto, cpu or cuda.
        quiet: no progress bar.
    """

    base: Hidden[GANRecipe]
    pair: Hidden[tuple[str, str]]
    images: Plain[Pictures]
    players: Plain[Any]
    generator: Any
    discriminator: Any
    training: Plain[tyro.conf.AvoidSubcommands[GANConfig]]
    out: Place
    root: Path | None = None
    conditional: bool = False
    device: str = "auto"
    quiet: bool = False

    def recipe(self) -> GANRecipe:
        """Return what these options ask for."""
        family, config = self.base.family, self.training
        common = vars(self.players)
        ours = vars(self.generator) | common
        theirs = vars(self.discriminator) | common
        usual = self.base.config
        if config.steps != usual.steps:
            scaled = at_length(config, config.steps)
            config = _follow(config, usual, scaled, "log_every", "sample_every")
        if config.penalty != usual.penalty:  # its own weight is not that of another
            config = _follow(config, usual, GANConfig(steps=1), "penalty_weight", "penalty_every")
        return replace(
            self.base,
            data=DataSpec(**vars(self.images)),
            family=replace(
                family,
                arguments=chosen(ours, family.generator, family.arguments),
                opponent=chosen(theirs, family.discriminator, family.opponent),
            ),
            config=replace(config, augment=None if config.augment == Augment() else config.augment),
            conditional=self.conditional,
        )

    def run(self) -> int:
        """Train, and save the generator with its card."""
        recipe, base = self.recipe(), self.base
        changed = changes(base.data, recipe.data) + changes(base.config, recipe.config)
        changed += changes(base.family.arguments, recipe.family.arguments)
        changed += changes(base.family.opponent, recipe.family.opponent)
        print(said(base.name, self.pair in GANS, changed), flush=True)
        check_room(self.out, SMALLEST_DISK)
        train_set = recipe.data.load("train", self.root)
        generator, discriminator = recipe.build(train_set, recipe.config.seed)
        train_gan(
            generator,
            discriminator,
            train_set,
            config=recipe.config,
            out_dir=self.out,
            device=self.device,
            progress=not self.quiet,
        )
        if first_process():
            card = {**recipe.card(train_set), "data": f"{recipe.data.name} {train_set.fingerprint}"}
            path = save_checkpoint(self.out / "model.safetensors", generator, card, half=False)
            print(f"saved {path}; look at {self.out / 'samples'}")
        return 0


def _follow(config: GANConfig, usual: GANConfig, other: GANConfig, *names: str) -> GANConfig:
    """Take settings from another configuration where they are as usual, so were not given."""
    same = [name for name in names if getattr(config, name) == getattr(usual, name)]
    return replace(config, **{name: getattr(other, name) for name in same})


def nearest(family: str, data: str | None) -> GANRecipe:
    """Return the measured recipe of a family on a data set, or else the family's on those images.

    How the images of a set are drawn or read comes from any family's recipe that has it.
    """
    own = [recipe for (name, _), recipe in GANS.items() if name == family]
    if data is None or (family, data) in GANS:
        return GANS.get((family, data or ""), own[0])
    known = [recipe.data for recipe in GANS.values() if recipe.data.name == data]
    images = known[0] if known else DataSpec(name=data, size=own[0].data.size)
    return replace(own[0], data=images)


def parse(words: list[str]) -> TrainGAN:
    """Return what these words ask for."""
    name, data = asked(words, "train-gan", GANS, FAMILIES)
    base = nearest(name, data)
    family = base.family
    ours = values_of(family.generator, family.arguments)
    theirs = values_of(family.discriminator, family.opponent)
    common = {k: v for k, v in ours.items() if k in theirs and theirs[k] == v}
    players, generator, discriminator = (
        arguments_of(model, {k: v for k, v in values.items() if (k in common) == shared})
        for model, values, shared in (
            (family.generator, ours, True),
            (family.generator, ours, False),
            (family.discriminator, theirs, False),
        )
    )
    command = TrainGAN(
        base=base,
        pair=(name, data or ""),
        images=Pictures(**vars(images_of(base.data, data))),
        players=players,
        generator=generator,
        discriminator=discriminator,
        training=replace(base.config, augment=base.config.augment or Augment()),
        out=tyro.MISSING,
    )
    own = {
        "players": plain(players),
        "generator": type(generator),
        "discriminator": type(discriminator),
    }
    return read(command, own, words[1:], f"train-gan {name}")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw the first samples of a seed, eight in a row, into a PNG file.

    With --data as many of that seed as --scored says, of all classes, are scored against the test
    images.

    Args:
        checkpoint: name of a shipped generator, or a .safetensors file.
        out: the picture, .png.
        count: samples on the sheet.
        seed: another one draws other samples.
        label: the class, for a generator that knows classes.
        data: also score against the test split of this data set.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        condition: of drawn scenes; ``None``: that which the generator learned from.
        scored: samples that are scored.
        device: auto, cpu or cuda.

    Raises:
        ValueError: for a picture that is no PNG, or a number of samples out of range.
    """

    checkpoint: tyro.conf.Positional[str]
    out: Place
    count: int = 64
    seed: int = 0
    label: int | None = None
    data: str | None = None
    root: Path | None = None
    condition: str | None = None
    scored: int = 5000
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.out.suffix.lower() != ".png":
            raise ValueError(f"--out is {self.out}; give a file that ends in .png.")
        for name, value in (("count", self.count), ("scored", self.scored)):
            if not 1 <= value <= MOST_SAMPLES:
                raise ValueError(f"--{name} is {value}; it goes from 1 to {MOST_SAMPLES:,}.")
        if self.condition is not None and self.data is None:
            raise ValueError(
                f"--condition is {self.condition}, and tells of the test images, which only "
                "--data names: give --data too, or leave --condition out."
            )

    def run(self) -> int:
        """Draw, save, and score if asked to."""
        device = pick_device(self.device)
        generator, card = load_checkpoint(self.checkpoint, device=device)
        if card["task"] != "generation":
            raise ValueError(
                f"{self.checkpoint} is no generator: it was trained for {card['task']}."
            )
        generator = generator_of(generator)
        samples = draw_samples(generator, self.count, seed=self.seed, labels=self.label)
        with whole(self.out) as file:
            save_image(samples.float() / 255, file, format="png", nrow=8)
        print(f"saved {self.out}: the first {self.count} samples of seed {self.seed}")
        if self.data is None:
            return 0
        condition = self.condition
        if condition is None and card.get("dataset") == self.data:
            condition = card.get("condition")
        size = tuple(card["size"])
        images = DataSpec(name=self.data, size=size, condition=condition)
        test = images.load("test", self.root)
        num = min(self.scored, len(test))
        scores = sample_scores(generator, test, num=num, seed=self.seed, device=device)
        learned = " ".join(filter(None, (card.get("dataset"), card.get("condition"))))
        judged = " ".join(filter(None, (self.data, condition)))
        if learned and learned != judged:
            print(f"It learned from {learned} and is judged by {judged}.")
        for name, value in scores.items():
            print(f"  {name:18s} {value:.4f}")
        return 0


def parse_sample(words: list[str]) -> Sample:
    """Return what these words ask for."""
    return tyro.cli(Sample, args=words, prog="course sample")
