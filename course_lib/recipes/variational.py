"""Generation by a code at 32x32: VAE, CVAE, VQ-VAE with a prior, VAE-GAN; and two measuring sticks.

The four are compared on drawn digits and shapes. VAE, CVAE and VAE-GAN have the same encoder and
decoder, so what differs is what they are told and what they minimise. Each gets about five minutes
of one core.

The measuring sticks are those of the papers: a VAE with one layer of codes on binarised MNIST, and
a VQ-VAE with K = 512 on CIFAR-10.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib.data import Augment, ImageSet
from course_lib.models import CVAE, VAE, VAEGAN, VQVAE, CodeGenerator
from course_lib.recipes.generation import DATA, SMOKE
from course_lib.recipes.recipe import DataSpec, Sets, check_arguments
from course_lib.train import (
    GANHistory,
    VAEGANConfig,
    VariationalConfig,
    VariationalHistory,
    train_vaegan,
    train_variational,
)
from course_lib.train.beforehand import check_enough
from course_lib.train.variational import check_variational

Evaluate = Callable[[nn.Module], dict[str, float]]
Histories = list[VariationalHistory | GANHistory]  # of each stage


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The second stage of a VQ-VAE: a prior of its codes.

    Args:
        arguments: of the `CodePrior`, besides what the codes determine.
        config: of its training.
    """

    arguments: dict[str, Any]
    config: VariationalConfig


@dataclass(frozen=True, kw_only=True)
class CodeFamily:
    """A kind of generator by a code, and how it is trained on any images.

    Args:
        title: as tables show it.
        model: its class.
        arguments: of its constructor, besides what comes with the data.
        config: of its training.
        prior: the second stage, for a VQ-VAE.
    """

    title: str
    model: type[nn.Module]
    arguments: dict[str, Any]
    config: VariationalConfig | VAEGANConfig
    prior: Prior | None = None


@dataclass(frozen=True, kw_only=True)
class CodeRecipe:
    """How a generator by a code is trained on images.

    Args:
        name: of the claim that measured it.
        data: the images.
        family: the model and its training.
        smoke: the images of a run of seconds that only shows that everything works.

    Raises:
        ValueError: for arguments that no model can be built with.
    """

    name: str
    data: DataSpec
    family: CodeFamily
    smoke: DataSpec

    def __post_init__(self) -> None:
        check_arguments({k: v for k, v in self.family.arguments.items() if k != "halvings"})

    def sets(self, root: str | Path | None = None, *, smoke: bool = False) -> Sets:
        """Return training, validation and test set, as `DataSpec.sets` does."""
        return (self.smoke if smoke else self.data).sets(root)

    def arguments_for(self, train_set: ImageSet) -> dict[str, Any]:
        """Return all arguments of the model's constructor for this set."""
        channels, height, width = train_set.images.shape[1:]
        given: dict[str, Any] = {
            "in_channels": channels,
            "size": height if height == width else (height, width),
        }
        if "num_classes" in signature(self.family.model).parameters:
            given["num_classes"] = train_set.num_classes
        return {**given, **self.family.arguments}

    def build(self, train_set: ImageSet, seed: int) -> nn.Module:
        """Return the model of the first stage with the random weights of a seed."""
        torch.manual_seed(seed)
        return self.family.model(**self.arguments_for(train_set))

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
    ) -> tuple[nn.Module, Histories]:
        """Train all stages; what was begun in `out_dir` goes on.

        Args:
            train_set: the images.
            seed: of the run.
            smoke: two steps of each stage.
            evaluate: scores of the model that can draw, see `train_variational`.
            evaluate_every: steps of the last stage between two evaluations.
            out_dir: of the run; each stage has a folder there.
            device: where to compute.
            progress: whether to draw a progress bar.

        Returns:
            The generator (a `CodeGenerator` for a VQ-VAE with a prior), and each stage's record.
        """
        model, prior = self.build(train_set, seed), self.family.prior
        first, second = (None if out_dir is None else out_dir / n for n in ("codes", "prior"))
        config = at_seed(self.family.config, seed, smoke)
        if prior is not None:  # before the first stage is trained, which takes long
            later_config = at_seed(prior.config, seed, smoke)
            assert isinstance(later_config, VariationalConfig)
            with torch.random.fork_rng(devices=[]):
                whole = CodeGenerator(codes=self.arguments_for(train_set), prior=prior.arguments)
            try:
                check_variational(whole, train_set, later_config, evaluate_every)
                check_enough(train_set, later_config.batch_size)
            except ValueError as error:
                raise ValueError(f"The prior, the second stage: {error}") from error
        if isinstance(config, VAEGANConfig):
            assert isinstance(model, VAEGAN)
            game = train_vaegan(
                model,
                train_set,
                config=config,
                evaluate=evaluate,
                evaluate_every=evaluate_every,
                out_dir=first,
                device=device,
                progress=progress,
            )
            return model, [game]
        history = train_variational(
            model,
            train_set,
            config=config,
            evaluate=evaluate if prior is None else None,
            evaluate_every=evaluate_every if prior is None else None,
            out_dir=first,
            device=device,
            progress=progress,
        )
        if prior is None:
            return model, [history]
        torch.manual_seed(seed)
        whole = CodeGenerator(codes=self.arguments_for(train_set), prior=prior.arguments)
        whole.codes.load_state_dict(model.state_dict())
        config = at_seed(prior.config, seed, smoke)
        assert isinstance(config, VariationalConfig)
        later = train_variational(
            whole,
            train_set,
            config=config,
            evaluate=evaluate,
            evaluate_every=evaluate_every,
            out_dir=second,
            device=device,
            progress=progress,
        )
        return whole, [history, later]

    def card(self, train_set: ImageSet) -> dict[str, Any]:
        """Return what a checkpoint of the generator says about model and data."""
        arguments = self.arguments_for(train_set)
        if self.family.prior is not None:
            arguments = {"codes": arguments, "prior": self.family.prior.arguments}
        card = {
            "arguments": arguments,
            "classes": train_set.classes,
            "task": "generation",
            "size": tuple(train_set.images.shape[-2:]),
            "dataset": train_set.name,
        }
        condition = self.data.condition
        return card if condition is None else {**card, "condition": condition}


def at_seed(config: Any, seed: int, smoke: bool) -> VariationalConfig | VAEGANConfig:
    """Return the configuration of one seed's run, two steps long for a run of seconds."""
    config = replace(config, seed=seed)
    if smoke:
        config = replace(config, steps=2, batch_size=16, log_every=1, sample_every=1)
    return config


def with_steps(config: Any, steps: int) -> Any:
    """Return a configuration with so many steps, read and drawn equally often over them."""
    return replace(
        config, steps=steps, log_every=max(1, steps // 30), sample_every=max(1, steps // 6)
    )


# ---------------------------------------------------------------------------------- families

QUICK = {"precision": "bf16", "channels_last": True}
AUTOENCODER: dict[str, Any] = {"latent_dim": 32, "width": 32}
GAUSSIAN = with_steps(
    VariationalConfig(steps=1, batch_size=64, lr=1e-3, schedule="cosine", warm_up=200, **QUICK),  # type: ignore[arg-type]
    6000,
)
CODES_ONCE = with_steps(GAUSSIAN, 4000)
VAE_FAMILY = CodeFamily(title="VAE", model=VAE, arguments=AUTOENCODER, config=GAUSSIAN)
CVAE_FAMILY = CodeFamily(title="CVAE", model=CVAE, arguments=AUTOENCODER, config=GAUSSIAN)
VQVAE_FAMILY = CodeFamily(
    title="VQ-VAE with a prior",
    model=VQVAE,
    arguments={"width": 32, "dim": 16, "num_codes": 128},
    config=CODES_ONCE,
    prior=Prior(
        arguments={"width": 96, "layers": 3, "heads": 4},
        config=with_steps(replace(GAUSSIAN, lr=2e-3, batch_size=64), 1600),
    ),
)
VAEGAN_FAMILY = CodeFamily(
    title="VAE-GAN",
    model=VAEGAN,
    arguments={**AUTOENCODER, "judge_width": 32},
    config=with_steps(
        VAEGANConfig(steps=1, batch_size=64, lr=5e-4, ema_images=10_000, **QUICK),  # type: ignore[arg-type]
        3000,
    ),
)
FAMILIES: dict[str, CodeFamily] = {
    "vae": VAE_FAMILY,
    "cvae": CVAE_FAMILY,
    "vqvae": VQVAE_FAMILY,
    "vaegan": VAEGAN_FAMILY,
}

# ----------------------------------------------------------------------------------- recipes

COMPARED_ON = ("digits", "shapes")
RECIPES: dict[tuple[str, str], CodeRecipe] = {
    (name, task): CodeRecipe(
        name=f"{name}-{task}", data=DATA[task], family=family, smoke=SMOKE[task]
    )
    for name, family in FAMILIES.items()
    for task in COMPARED_ON
}
MNIST_28 = DataSpec(name="mnist", size=28, task="classification")
BINARISED = CodeRecipe(
    name="vae-binarised-mnist",
    data=MNIST_28,
    family=CodeFamily(
        title="VAE with one layer of codes",
        model=VAE,
        arguments={"latent_dim": 50, "hidden": (500, 500), "likelihood": "bernoulli"},
        config=VariationalConfig(
            steps=100_000,
            batch_size=100,
            lr=1e-3,
            schedule="cosine",
            warm_up=500,
            binarise="sample",
            log_every=1000,
            sample_every=20_000,
        ),
    ),
    smoke=replace(MNIST_28, num_train=128, num_val=32, num_test=32),
)
VQ_CIFAR10 = CodeRecipe(
    name="vqvae-cifar10",
    data=DATA["cifar10"],
    family=CodeFamily(
        title="VQ-VAE",
        model=VQVAE,
        arguments={"width": 64, "dim": 32, "num_codes": 512, "likelihood": "logistic"},
        config=with_steps(
            replace(GAUSSIAN, lr=5e-4, augment=Augment(flip=True)),
            8000,
        ),
        prior=Prior(
            arguments={"width": 128, "layers": 4, "heads": 4, "dropout": 0.1},
            config=with_steps(replace(GAUSSIAN, augment=Augment(flip=True)), 3000),
        ),
    ),
    smoke=SMOKE["cifar10"],
)
# What minutes cannot show: more images, more codes' updates, and a prior that is larger and trained
# for six times as many steps.
LONG = {
    task: CodeRecipe(
        name=f"vqvae-{task}-long",
        data=replace(DATA[task], num_train=60_000),
        family=replace(
            VQVAE_FAMILY,
            config=with_steps(GAUSSIAN, 8000),
            prior=Prior(
                arguments={"width": 128, "layers": 4, "heads": 4},
                config=with_steps(replace(GAUSSIAN, lr=1.5e-3), 10_000),
            ),
        ),
        smoke=SMOKE[task],
    )
    for task in COMPARED_ON
}
RECIPES["vae", "mnist"] = BINARISED
RECIPES["vqvae", "cifar10"] = VQ_CIFAR10
