"""``course train-code``."""

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
from course_lib.models import CodePrior
from course_lib.recipes import CODE_FAMILIES, CODES, CodeRecipe, DataSpec
from course_lib.recipes.variational import Prior, with_steps
from course_lib.train import save_checkpoint
from course_lib.train.files import check_room

BY_THE_CODES = ("num_codes",)  # arguments of a prior that its VQ-VAE determines


@dataclass(frozen=True, kw_only=True)
class TrainCode:
    """Train a generator by a code; goes on exactly where it stopped when started again.

    The options start from the recipe that was measured for this model and these images, or from the
    nearest one. Readings and sheets keep their share of the steps, unless they are given. A VQ-VAE
    is trained first, then the prior of its codes, whose options begin with --prior.

    Args:
        out: folder of the run.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        device: auto, cpu or cuda.
        quiet: no progress bar.
    """

    base: Hidden[CodeRecipe]
    pair: Hidden[tuple[str, str]]
    images: Plain[Pictures]
    model: Any
    training: Any
    prior: Any
    prior_training: Any
    out: Place
    root: Path | None = None
    device: str = "auto"
    quiet: bool = False

    def recipe(self) -> CodeRecipe:
        """Return what these options ask for."""
        family = self.base.family
        second = family.prior
        if second is not None:
            if self.prior_training.seed != second.config.seed:
                raise ValueError(
                    f"The prior's seed is {self.prior_training.seed}, and both stages have the "
                    "run's: give it with --seed."
                )
            second = Prior(
                arguments=chosen(vars(self.prior), CodePrior, second.arguments),
                config=_config(self.prior_training, second.config),
            )
        return replace(
            self.base,
            data=DataSpec(**vars(self.images)),
            family=replace(
                family,
                arguments=chosen(vars(self.model), family.model, family.arguments),
                config=_config(self.training, family.config),
                prior=second,
            ),
        )

    def run(self) -> int:
        """Train, and save the generator with its card."""
        recipe, base = self.recipe(), self.base
        family, usual = recipe.family, base.family
        changed = changes(base.data, recipe.data) + changes(usual.config, family.config)
        changed += changes(usual.arguments, family.arguments)
        if family.prior is not None and usual.prior is not None:
            prior = changes(usual.prior.config, family.prior.config)
            prior += changes(usual.prior.arguments, family.prior.arguments)
            changed += [f"prior {change}" for change in prior]
        print(said(base.name, self.pair in CODES, changed), flush=True)
        check_room(self.out, SMALLEST_DISK)
        train_set = recipe.data.load("train", self.root)
        model, histories = recipe.train(
            train_set,
            seed=family.config.seed,
            out_dir=self.out,
            device=self.device,
            progress=not self.quiet,
        )
        if first_process():
            for history in histories:
                last = history.steps[-1].items()
                words = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in last]
                print("; ".join(words))
            card = {**recipe.card(train_set), "data": f"{recipe.data.name} {train_set.fingerprint}"}
            path = save_checkpoint(self.out / "model.safetensors", model, card, half=False)
            print(f"saved {path}; look at {self.out}, and draw with course sample")
        return 0


def _config(config: Any, usual: Any) -> Any:
    """Return a configuration read and drawn as often as usual over its steps."""
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
    return config


def nearest(name: str, data: str | None) -> CodeRecipe:
    """Return the measured recipe of a model on a data set, or else the model's on those images."""
    own = [recipe for (model, _), recipe in CODES.items() if model == name]
    if data is None or (name, data) in CODES:
        return CODES.get((name, data or ""), own[0])
    known = [recipe.data for recipe in CODES.values() if recipe.data.name == data]
    images = known[0] if known else DataSpec(name=data, size=own[0].data.size)
    return replace(own[0], data=images)


def parse(words: list[str]) -> TrainCode:
    """Return what these words ask for."""
    name, data = asked(words, "train-code", CODES, CODE_FAMILIES)
    base = nearest(name, data)
    family = base.family
    model = arguments_of(family.model, values_of(family.model, family.arguments))

    def open_to_change(config: Any) -> Any:
        return replace(config, augment=config.augment or Augment())

    own: dict[str, Any] = {
        "model": plain(model),
        "training": Plain[tyro.conf.AvoidSubcommands[type(family.config)]],  # type: ignore[misc]
        "prior": Hidden[Any],  # type: ignore[misc]
        "prior_training": Hidden[Any],  # type: ignore[misc]
    }
    prior: Any = None
    if family.prior is not None:
        values = values_of(CodePrior, family.prior.arguments)
        prior = arguments_of(CodePrior, {k: v for k, v in values.items() if k not in BY_THE_CODES})
        own["prior"] = type(prior)
        own["prior_training"] = tyro.conf.AvoidSubcommands[type(family.prior.config)]  # type: ignore[misc]
    command = TrainCode(
        base=base,
        pair=(name, data or ""),
        images=Pictures(**vars(images_of(base.data, data))),
        model=model,
        training=open_to_change(family.config),
        prior=prior,
        prior_training=None if family.prior is None else open_to_change(family.prior.config),
        out=tyro.MISSING,
    )
    return read(command, own, words[1:], f"train-code {name}")
