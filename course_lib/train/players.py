"""Do generator, discriminator and images fit together? Asked before the game, not in the middle."""

import warnings

from torch import nn

from course_lib.data import ImageSet
from course_lib.models.gan import check_range
from course_lib.train.gan_config import GANConfig


def check_players(
    generator: nn.Module, discriminator: nn.Module, train_set: ImageSet, config: GANConfig
) -> None:
    """Raise ValueError unless generator, discriminator and images fit together."""
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
