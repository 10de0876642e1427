"""Do data and models fit together? Asked before a training, not in the middle."""

import copy
import warnings

import torch
from torch import nn

from course_lib.data import ImageSet
from course_lib.models.conditioning import check_range
from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine
from course_lib.train.gan_config import GANConfig


def check_supervised(model: nn.Module, train_set: ImageSet, val_set: ImageSet | None) -> None:
    """Raise ValueError unless a model can be trained on one set and judged on the other."""
    check_model(model)
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    if val_set is not None and len(val_set) == 0:
        raise ValueError(
            f"The validation set {val_set.name}/{val_set.split} is empty; pass None to train "
            "without one."
        )
    ignored = None if val_set is None else val_set.ignore_index
    if (
        isinstance(val_set, ImageSet)
        and ignored is not None
        and bool((val_set.targets == ignored).all())
    ):
        raise ValueError(
            f"No label of the validation set {val_set.name}/{val_set.split} counts: all are "
            f"{ignored}, which is ignored. Pass None to train without one."
        )
    if train_set.task not in ("classification", "semantic"):
        raise ValueError(
            f"train_supervised learns one label per image or pixel; {train_set.name} was loaded "
            f'for the task "{train_set.task}". Load it with task="semantic".'
        )
    if val_set is not None and val_set.classes != train_set.classes:
        raise ValueError(
            f"Training and validation set name different classes: {train_set.classes} and "
            f"{val_set.classes}."
        )


def check_model(model: nn.Module) -> None:
    """Raise ValueError for layers without channels, or that drop an impossible share."""
    for name, parameter in model.named_parameters():
        if not parameter.numel():
            raise ValueError(
                f"{type(model).__name__}.{name} has shape {tuple(parameter.shape)}, so it learns "
                "nothing: build the model with widths and numbers of classes of at least 1."
            )
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and not 0 <= module.p <= 1:
            raise ValueError(
                f"{type(model).__name__}.{name} drops a share of {module.p}: build the model with "
                "one from 0 to 1."
            )


def check_batch_of_one(
    model: nn.Module, train_set: ImageSet, config: TrainConfig, engine: Engine
) -> None:
    """Raise ValueError if an epoch has a batch of one image, and the model cannot learn from one.

    A copy of the model is asked: networks that normalise over the batch after pooling to one
    position refuse a single image.
    """
    together = config.batch_size * engine.world_size
    last = len(train_set) % together or together
    if last // engine.world_size > 1:
        return
    image = next(iter(train_set.batches(1, shuffle=False)))[0].to(engine.device)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            copy.deepcopy(model).train()(image)
        except ValueError as error:
            copy.deepcopy(model).train()(image.repeat(2, 1, 1, 1))  # or the images are the reason
            raise ValueError(
                f"A batch of each epoch has one image ({len(train_set)} images in batches of "
                f"{together}), from which this {type(model).__name__} cannot learn: choose another "
                f"batch_size. ({error})"
            ) from error


def check_enough(train_set: ImageSet, needed: int) -> None:
    """Raise ValueError if a set has fewer images than one batch needs."""
    if len(train_set) < needed:
        raise ValueError(
            f"The set {train_set.name}/{train_set.split} has {len(train_set)} images, and one "
            f"batch needs {needed}; lower batch_size, or load more images."
        )


def check_game(
    generator: nn.Module,
    discriminator: nn.Module,
    train_set: ImageSet,
    config: GANConfig,
    evaluate_every: int | None,
) -> None:
    """Raise ValueError unless generator, discriminator, images and settings fit together."""
    if evaluate_every is not None and evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1, or None.")
    check_model(generator)
    check_model(discriminator)
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    channels, height, width = train_set.images.shape[1:]
    made = (getattr(generator, "out_channels", channels), *getattr(generator, "size", ()))
    judged = (getattr(discriminator, "in_channels", channels), *getattr(discriminator, "size", ()))
    for name, shape in (("generator makes", made), ("discriminator takes", judged)):
        if len(shape) == 3 and shape != (channels, height, width):
            raise ValueError(
                f"The {name} images of {shape[0]}x{shape[1]}x{shape[2]} (channels, height, width) "
                f"and {train_set.name} has {channels}x{height}x{width}. Build the model with "
                f"{channels} channel(s), and load the set with size={shape[1:]}."
            )
    classes = {getattr(player, "num_classes", 0) for player in (generator, discriminator)}
    if len(classes) > 1:
        raise ValueError(
            f"The players know different numbers of classes: {sorted(classes)}. Give both the "
            "same num_classes, or neither."
        )
    known = classes.pop()
    if known and (train_set.task != "classification" or known != train_set.num_classes):
        raise ValueError(
            f"The players know {known} classes; {train_set.name}, loaded for the task "
            f'"{train_set.task}", has {train_set.num_classes}. They need one label per image.'
        )
    if known:
        check_range(train_set.targets, known, "the set's class ids")
    if config.loss == "wasserstein" and config.penalty == "none":
        warnings.warn(
            "A critic without a penalty has no bound on its slope, so its reading means nothing: "
            'use penalty="gradient", or "r1", with loss="wasserstein".',
            stacklevel=3,
        )
    norms = {
        name
        for name, player in (("generator", generator), ("discriminator", discriminator))
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in player.modules())
    }
    if norms and config.batch_size == 1:
        raise ValueError(
            f"batch_size is 1 and the {' and the '.join(sorted(norms))} normalises over the batch: "
            "it would see one image only. Use batches of at least 2, or players without BatchNorm."
        )
    if "discriminator" in norms and config.penalty != "none":
        warnings.warn(
            f"The discriminator has BatchNorm, so its score for one image depends on the others, "
            f"and penalty={config.penalty!r} is not the penalty that it should be. Use one "
            'without, for instance DCGANDiscriminator(norm="layer").',
            stacklevel=3,
        )
    if config.path_length_weight and not hasattr(generator, "synthesis"):
        raise ValueError(
            f"path_length_weight is {config.path_length_weight}, but {type(generator).__name__} "
            "has no styles; use a StyleGANGenerator, or set it to 0."
        )
