"""Judging a generator: its samples against held-out images, in the course's own features.

The Fréchet distance in the features of `course_lib.models.SampleFeatures` is called CFD, the
course's Fréchet distance. It is no FID and cannot be compared with one: other features, 64
dimensions instead of 2,048, fewer images. For the standard FID see `course_lib.train.inception`.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet, to_float
from course_lib.metrics import (
    copied_share,
    density_coverage,
    frechet_distance,
    kernel_distance,
    nearest_distances,
    precision_recall,
)
from course_lib.models.modes import eval_mode
from course_lib.train.checkpoint import load_checkpoint
from course_lib.train.engine import pick_device
from course_lib.train.samples import draw_samples

EXTRACTOR = "sample-features"
SIZE = 32  # the extractor was trained on images of 32x32
NUM = 5000  # samples, and real images, that a score is computed from unless told otherwise


def sample_scores(
    samples: nn.Module | Tensor,
    reference: ImageSet,
    *,
    training: ImageSet | None = None,
    training_features: Tensor | None = None,
    num: int = NUM,
    num_nearest: int = 1000,
    seed: int = 0,
    device: str | torch.device | None = None,
    extractor: nn.Module | None = None,
) -> dict[str, float]:
    """Score samples against real images that the generator has not seen.

    All scores depend on the number of samples, so compare them at equal ``num`` only.

    Args:
        samples: a generator, which is asked for the first ``num`` samples of the seed, or samples
            (N, C, H, W) uint8, of which the first ``num`` are taken.
        reference: the test split; its first ``num`` images are taken, or all if there are fewer.
        training: what the generator was trained on; adds the distances to the nearest training
            image.
        training_features: of all its images, where they are known; ``None``: computed here.
        num: how many samples to judge.
        num_nearest: how many samples and test images are compared with the training images.
        seed: of the samples.
        device: where to compute the features; ``None`` or "auto": a GPU if there is one.
        extractor: another network with a method ``features``; ``None``: the shipped one.

    Returns:
        "cfd", "kernel_distance", "precision", "recall", "density" and "coverage" in features;
        "num_samples" and "num_reference". With ``training`` also, for "pixels" and "features":
        "nearest_pixels", the median distance of a sample to its nearest training image (for pixels
        as root mean square, in grey levels from 0 to 255), "nearest_pixels_test", the same of test
        images, and "copied_pixels", the share of samples that lie closer than 95 % of the test
        images do: about 0.05 for a generator of new images, up to 1 for one that copies.

    Raises:
        ValueError: for a reference of training images, images of another shape, or too few samples.
    """
    _check(reference, training)
    if training is None and training_features is not None:
        raise ValueError("training_features were given without training, the images they are of.")
    where = pick_device(device)
    if isinstance(samples, nn.Module):
        samples = draw_samples(samples, num, seed=seed, device=where)
    images = _take(samples, num, reference)
    real = reference.images[:num]
    fake_features = sample_features(images, extractor=extractor, device=where)
    real_features = sample_features(real, extractor=extractor, device=where)
    fidelity = precision_recall(real_features, fake_features)
    diversity = density_coverage(real_features, fake_features)
    scores = {
        "cfd": frechet_distance(real_features, fake_features),
        "kernel_distance": kernel_distance(real_features, fake_features),
        "precision": fidelity.precision,
        "recall": fidelity.recall,
        "density": diversity.density,
        "coverage": diversity.coverage,
        "num_samples": len(images),
        "num_reference": len(real),
    }
    if training is not None:
        few, test = images[:num_nearest], real[:num_nearest]
        scores |= _nearest("pixels", few, test, training.images)
        known = training_features
        if known is None:
            known = sample_features(training.images, extractor=extractor, device=where)
        scores |= _nearest("features", fake_features[: len(few)], real_features[: len(test)], known)
    return scores


@torch.no_grad()
def sample_features(
    images: Tensor,
    *,
    extractor: nn.Module | None = None,
    batch_size: int = 500,
    device: str | torch.device | None = None,
) -> Tensor:
    """Return the features (N, D) float32 of images, on the CPU.

    Args:
        images: (N, 1 or 3, H, W), uint8 or float in [-1, 1]. Other sizes than 32x32 are resized
            with antialiasing, real images and samples alike.
        extractor: a network with a method ``features``; ``None``: the shipped one.
        batch_size: images at a time.
        device: where to compute; ``None`` or "auto": a GPU if there is one.
    """
    where = pick_device(device)
    net = _extractor() if extractor is None else extractor
    net.to(where)
    parts = []
    with eval_mode(net):
        for batch in images.split(batch_size):
            x = batch.to(where)
            x = to_float(x) if x.dtype == torch.uint8 else x.float()
            if x.shape[-2:] != (SIZE, SIZE):
                x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True)
            parts.append(net.features(x).cpu())  # type: ignore[operator]
    return torch.cat(parts)


@cache
def _extractor() -> nn.Module:
    return load_checkpoint(EXTRACTOR)[0]


def _nearest(space: str, samples: Tensor, test: Tensor, training: Tensor) -> dict[str, float]:
    ours, _ = nearest_distances(samples, training)
    theirs, _ = nearest_distances(test, training)
    scale = samples[0].numel() ** 0.5 if space == "pixels" else 1.0
    return {
        f"nearest_{space}": float(ours.median()) / scale,
        f"nearest_{space}_test": float(theirs.median()) / scale,
        f"copied_{space}": copied_share(ours, theirs),
    }


def _check(reference: ImageSet, training: ImageSet | None) -> None:
    if reference.split == "train":
        raise ValueError(
            "The reference holds training images; against those, a generator that repeats them "
            'would be perfect. Load the split "test".'
        )
    if training is not None and training.images.shape[1:] != reference.images.shape[1:]:
        raise ValueError(
            f"Training images {tuple(training.images.shape[1:])} and reference images "
            f"{tuple(reference.images.shape[1:])} differ in shape; load both at one size."
        )


def _take(samples: Tensor, num: int, reference: ImageSet) -> Tensor:
    if samples.dtype != torch.uint8 or samples.ndim != 4:
        raise ValueError(
            f"got samples of {samples.dtype} and shape {tuple(samples.shape)}; wanted uint8 "
            "(N, C, H, W), as `draw_samples` and `data.to_uint8` give."
        )
    if samples.shape[1:] != reference.images.shape[1:]:
        raise ValueError(
            f"The samples have shape {tuple(samples.shape[1:])}, the reference images "
            f"{tuple(reference.images.shape[1:])}. Load the reference at the generator's size; a "
            "grey generator is judged against grey images."
        )
    if len(samples) < num:
        raise ValueError(
            f"got {len(samples)} samples, and num is {num}. Every score depends on the number, so "
            "ask for the number that is to be compared, or draw more."
        )
    return samples[:num]
