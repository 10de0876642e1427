"""Configurations refuse what cannot be trained with, by name; and are compared field by field."""

import dataclasses
import math

import numpy as np
import pytest

from course_lib.data import Augment
from course_lib.train import GANConfig, PointsConfig, TrainConfig

GAN = {"steps": 1}
# Class, the arguments that it needs, the field that is wrong, and what is said.
WRONG = [
    (TrainConfig, {"optimizer": "lion"}, "'lion'; choose one of adam, adamw, sgd"),
    (TrainConfig, {"schedule": "step"}, "choose one of constant, one-cycle, cosine"),
    (TrainConfig, {"precision": "fp8"}, "choose one of no, bf16, fp16"),
    (TrainConfig, {"epochs": 0}, "epochs is 0; it must be at least 1"),
    (TrainConfig, {"epochs": 1.5}, "epochs is 1.5; it must be at least 1"),
    (TrainConfig, {"batch_size": None}, "batch_size is None"),
    (TrainConfig, {"lr": "fast"}, "lr is 'fast'; it must be positive"),
    (TrainConfig, {"clip_norm": 0}, "clip_norm is 0; it must be positive"),
    (TrainConfig, {"clip_norm": -1}, "clip_norm is -1; it must be positive"),
    (TrainConfig, {"ema": 1.0}, "ema is 1.0; it must lie between 0 and 1"),
    (TrainConfig, {"seed": 0.5}, "seed is 0.5; it must be a whole number"),
    (TrainConfig, {"checkpoint_every": 0}, "checkpoint_every is 0; it must be at least 1"),
    (GANConfig, {"loss": "wgan"}, "the adversarial loss is 'wgan'; choose one of minimax"),
    (GANConfig, {"penalty": "r2"}, "penalty is 'r2'; choose one of none, gradient, r1"),
    (GANConfig, {"steps": 0}, "steps is 0"),
    (GANConfig, {"critic_steps": 0}, "critic_steps is 0"),
    (GANConfig, {"lr_discriminator": -1.0}, "lr_discriminator is -1.0; it must be positive"),
    (GANConfig, {"betas": (0.5, 1.0)}, r"betas is \(0.5, 1.0\); give two numbers from 0"),
    (GANConfig, {"betas": 0.5}, "betas is 0.5; give two"),
    (GANConfig, {"ada_target": 1.5}, "ada_target is 1.5"),
    (GANConfig, {"ada_target": 0.6, "loss": "wasserstein"}, 'sign .* with loss="wasserstein"'),
    (GANConfig, {"ada_target": 0.6, "loss": "least-squares"}, 'sign .*loss="least-squares"'),
    (PointsConfig, {"loss": "cross-entropy"}, "choose one of"),
    (PointsConfig, {"penalty": "l2"}, "choose one of none, r1, r1-r2, gradient, clip"),
    (PointsConfig, {"steps": -1}, "steps is -1; it must be at least 0"),
    (PointsConfig, {"penalty": "r1", "penalty_weight": 0.0}, "penalty_weight is 0; it must be pos"),
    (PointsConfig, {"simultaneous": True, "critic_steps": 2}, "critic_steps is 2"),
    (PointsConfig, {"extent": 0.0}, "extent is 0.0; it must be positive"),
    (PointsConfig, {"lattice_size": 0}, "lattice_size is 0"),
]


@pytest.mark.parametrize(("kind", "options", "said"), WRONG)
def test_what_cannot_be_trained_with_is_named(kind, options, said) -> None:
    needed = GAN if kind is GANConfig else {}
    with pytest.raises(ValueError, match=said):
        kind(**{**needed, **options})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
@pytest.mark.parametrize("kind", [TrainConfig, GANConfig, PointsConfig])
def test_no_number_may_be_negative_or_none_at_all(kind, value: float) -> None:
    """Every field that holds a number has a rule: a new one cannot be forgotten."""
    config = kind(**(GAN if kind is GANConfig else {}))
    optional = {"lr_discriminator", "ema_images", "ada_target", "clip_norm", "ema", "sample_every"}
    optional |= {"checkpoint_every"}
    for field in dataclasses.fields(kind):
        now = getattr(config, field.name)
        number = isinstance(now, int | float) and not isinstance(now, bool)
        if number or field.name in optional:
            if field.name == "seed" and value == -1.0:
                continue  # any whole number is one
            with pytest.raises(ValueError, match=f"^{field.name} is {value}; "):
                dataclasses.replace(config, **{field.name: value})


def test_configurations_are_compared_by_what_changes_the_weights() -> None:
    config = TrainConfig(augment=Augment(flip=True), class_weights=(1.0, 2.0))
    stored = config.as_dict()
    assert config.differences(stored) == []
    assert stored["class_weights"] == [1.0, 2.0] and stored["augment"]["flip"] is True
    other = dataclasses.replace(config, log_every=1, checkpoint_every=3, lr=0.5)
    assert other.differences(stored) == ["lr (0.001 there, 0.5 here)"]
    assert dataclasses.replace(config, augment=None).differences(stored)[0].startswith("augment (")
    del stored["loss"]  # a setting that came later: then its default was in force
    assert config.differences(stored) == []
    changed = dataclasses.replace(config, loss="focal").differences(stored)
    assert changed == ["loss (cross-entropy there, focal here)"]
    assert config.differences(stored | {"new": 3}) == ["new (3 there, None here)"]
    longer = GANConfig(steps=9, sample_every=2)
    assert longer.differences(GANConfig(steps=3).as_dict()) == []


def test_numbers_of_numpy_are_stored_as_plain_ones() -> None:
    config = TrainConfig(epochs=np.int64(3), lr=np.float32(0.5))
    stored = config.as_dict()
    assert type(stored["epochs"]) is int and type(stored["lr"]) is float
    assert config.differences(stored) == []
