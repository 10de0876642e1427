"""Inversion: which pictures a generator of digits cannot draw, by the error that is left.

The pictures are test digits and, planted among them, four kinds of strangers. The control needs no
generator: the distance to the nearest training image.
"""

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.data import to_float
from course_lib.data.scenes import shapes
from course_lib.metrics import auroc, nearest_distances
from course_lib.models import VAEGAN, InverseEncoder, invert
from course_lib.recipes.variational import RECIPES
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import (
    InversionConfig,
    draw_samples,
    load_checkpoint,
    pick_device,
    train_inverse,
)

SCENE_START = 310_000_000  # scenes beyond those of every split and of the factors of codes
INVERSE = InversionConfig(steps=3000, batch_size=64, lr=1e-3, log_every=100)


def _inversion(context: Context, *, steps: int) -> Measurement:
    """Which pictures can the VAE-GAN of digits not draw? Digits, and strangers among them."""
    model, card = load_checkpoint("vaegan-digits")
    assert isinstance(model, VAEGAN)
    generator = model.decoder
    device, num = pick_device(context.device), context.pick(smoke=8, full=500)
    config = INVERSE
    if context.smoke:
        config = InversionConfig(steps=2, batch_size=8, log_every=1)
    config = InversionConfig(**{**vars(config), "seed": context.seed})
    torch.manual_seed(context.seed)
    encoder = InverseEncoder(latent_dim=generator.latent_dim, size=tuple(card["size"]))
    train_inverse(
        encoder,
        generator,
        config=config,
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    learned, _, test = RECIPES["vaegan", "digits"].sets(context.root, smoke=context.smoke)
    known = test.images[:num]
    near = nearest_distances(known, learned.images)[0]
    planted = _strangers(known, num, context.seed)
    metrics: dict[str, float] = {}
    own = _errors(generator, encoder, known, device, context.pick(smoke=2, full=steps))
    metrics["error_digits"] = own[1].median().item()
    metrics["error_digits_at_once"] = own[0].median().item()
    drawn = draw_samples(generator, num, seed=context.seed + 1)
    metrics["error_own_samples"] = (
        _errors(generator, encoder, drawn, device, context.pick(smoke=2, full=steps))[1]
        .median()
        .item()
    )
    for name, images in planted.items():
        theirs = _errors(generator, encoder, images, device, context.pick(smoke=2, full=steps))
        for at, kind in enumerate(("_at_once", "")):
            metrics[f"auroc_{name}{kind}"] = auroc(theirs[at], own[at])
        away = nearest_distances(images, learned.images)[0]
        metrics[f"auroc_{name}_nearest"] = auroc(away, near)
        metrics[f"error_{name}"] = theirs[1].median().item()
    return Measurement(
        metrics=metrics,
        data=f"{num} drawn test digits and {num} of each kind of stranger, found by an inverse "
        f"encoder and {steps} steps of descent",
        fingerprint=test.fingerprint,
    )


def _strangers(known: Tensor, num: int, seed: int) -> dict[str, Tensor]:
    """Return pictures that are no digits, (N, 1, 32, 32) uint8 each."""
    figures = shapes.draw(num, size=32, start=SCENE_START, condition="plain").images
    grey = figures.float().mean(1, keepdim=True)
    # White on black like the digits: the object's distance from its ground, which is in a corner.
    away = (figures.float() - figures[:, :, :1, :1].float()).abs().amax(1, keepdim=True)
    outline = (away / away.amax((2, 3), keepdim=True).clamp(min=1) * 255).to(torch.uint8)
    generator = torch.Generator().manual_seed(seed)
    places = torch.randperm(32 * 32, generator=generator)
    return {
        "shapes": outline,
        "negatives": 255 - known,
        "scrambled": known.flatten(2)[:, :, places].view_as(known),
        "grey_scenes": grey.to(torch.uint8),
    }


def _errors(
    generator: nn.Module, encoder: InverseEncoder, images: Tensor, device: torch.device, steps: int
) -> tuple[Tensor, Tensor]:
    """Return the error of each picture by the encoder alone, and after the descent."""
    first, last = [], []
    for some in images.split(100):
        x = to_float(some.to(device))
        with torch.no_grad():
            start = encoder(x)
        found = invert(generator, x, start=start, steps=steps)
        first.append(found.errors[0].cpu())
        last.append(found.error.cpu())
    return torch.cat(first), torch.cat(last)


CLAIMS = (
    Claim(
        name="inversion-digits",
        title="Pictures that a generator of digits cannot draw, found by inverting it",
        measure=partial(_inversion, steps=100),
        main="auroc_shapes",
        after=("vaegan-digits",),
        minutes=15,
        priority=10,
        recipe=INVERSE,
    ),
)
