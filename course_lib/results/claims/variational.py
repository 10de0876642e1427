"""Generation by a code: four generators on digits and shapes, and two measuring sticks.

The recipes stand in `course_lib.recipes.variational`. Test images are read once, at the end.
"""

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.data import binarise, to_float, to_uint8
from course_lib.data.scenes import digits, shapes
from course_lib.losses import log_likelihood
from course_lib.metrics import (
    active_units,
    bits_per_dim,
    code_counts,
    codes_log_likelihood,
    elbo,
    frechet_distance,
    importance_bound,
    mutual_information_gap,
    perplexity,
    reconstruction_scores,
)
from course_lib.models import (
    CVAE,
    VAE,
    VAEGAN,
    VQVAE,
    CodeGenerator,
    generator_of,
)
from course_lib.recipes import CodeRecipe, Recipe
from course_lib.recipes.classifier import SHAPES
from course_lib.recipes.generation import NUM, NUM_VAL
from course_lib.recipes.variational import BINARISED, LONG, RECIPES, VQ_CIFAR10
from course_lib.results.bench.quantiser import bench
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.results.claims.generation import TITLES
from course_lib.results.claims.named import CLASSIFIERS, SURE, named
from course_lib.train import (
    draw_samples,
    evaluate,
    pick_device,
    sample_features,
    sample_scores,
    shipped,
    train_supervised,
)

DRAWN = {"digits": digits, "shapes": shapes}
FACTORS = {  # which of the causes of an image a code is asked for
    "digits": ("class", "slant", "breadth", "height", "x", "y", "width"),
    "shapes": ("class", "colour", "background", "radius", "x", "y"),
}
FACTOR_START = 300_000_000  # scenes beyond those of every split
CODES, MANY_CODES = 500, 5000  # for each image, of the importance-weighted bound
NUM_MANY = 300  # images that get many


def _classifier(context: Context, recipe: Recipe) -> Measurement:
    """Train the classifier of shapes."""
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(train, context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    result = evaluate(model, test, device=context.device)
    with torch.no_grad():
        chance = torch.cat(
            [model.cpu()(to_float(part)).softmax(1).amax(1) for part in test.images.split(500)]
        )
    return Measurement(
        metrics={
            "test_accuracy": result.accuracy,
            "sure": (chance > SURE).double().mean().item(),
            "val_score": history.best_score or 0.0,
        },
        curves={"val_accuracy": history.column("val_accuracy")},
        data=f"drawn shapes on plain ground at 32x32: {len(train)} images to train, {len(val)} to "
        f"choose the epoch, {len(test)} to test",
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


def _reconstruct(model: nn.Module, images: Tensor, labels: Tensor, device: torch.device) -> Tensor:
    """Return reconstructions (N, C, H, W) uint8."""
    parts = []
    with torch.no_grad():
        for some, told in zip(images.split(250), labels.split(250), strict=True):
            x = to_float(some.to(device))
            if isinstance(model, CVAE):
                again = model.reconstruct(x, told.to(device))
            elif isinstance(model, CodeGenerator):
                again = model.codes.reconstruct(x)
            else:
                again = model.reconstruct(x)  # type: ignore[operator]
            parts.append(to_uint8(again.float().clamp(-1, 1)).cpu())
    return torch.cat(parts)


@torch.no_grad()
def _codes_of(model: nn.Module, task: str, num: int, device: torch.device) -> dict[str, float]:
    """Ask how far each number of a code stands for one cause of a drawn image."""
    scenes = DRAWN[task].draw(num, size=32, start=FACTOR_START, condition="plain")
    assert isinstance(model, VAE | CVAE | VAEGAN)
    means = []
    for some, told in zip(
        scenes.images.split(250), scenes.factors["class"].split(250), strict=True
    ):
        x, labels = to_float(some.to(device)), told.to(device) if isinstance(model, CVAE) else None
        means.append(model.encoder(x, labels).mean.cpu())
    codes = torch.cat(means)
    factors = {name: scenes.factors[name] for name in FACTORS[task]}
    gaps = mutual_information_gap(codes, factors)
    return {
        "active_units": float(active_units(codes).sum()),
        "gap": sum(gaps.values()) / len(gaps),
        **{f"gap_{name}": gap for name, gap in gaps.items()},
    }


def measure(context: Context, recipe: CodeRecipe) -> Measurement:
    """Train a generator by a code, judge samples, reconstructions and codes, and keep it."""
    task, smoke, device = recipe.data.name, context.smoke, pick_device(context.device)
    train, val, test = recipe.sets(context.root, smoke=smoke)
    num_val, num = context.pick(smoke=(32, 64), full=(NUM_VAL, NUM))
    real = sample_features(val.images[:num_val], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        samples = draw_samples(generator_of(candidate), num_val)
        return {"val_cfd": frechet_distance(real, sample_features(samples, device=context.device))}

    model, histories = recipe.train(
        train,
        seed=context.seed,
        smoke=smoke,
        evaluate=watch,
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    model.to(device).eval()
    generator = generator_of(model)
    samples = draw_samples(generator, num)
    scores = sample_scores(samples, test, training=train, num=num, device=context.device)
    again = _reconstruct(model, test.images[:num], test.targets[:num], device)
    mse, ssim = reconstruction_scores(test.images[:num], again)
    last = histories[-1].steps[-1]
    metrics: dict[str, float] = {
        **scores,
        "val_cfd": last["val_cfd"],
        "val_score": -last["val_cfd"],
        "reconstruction_mse": mse.mean().item(),
        "reconstruction_ssim": ssim.mean().item(),
        "images_seen": sum(h.steps[-1]["images"] for h in histories),
        "train_seconds": sum(h.steps[-1]["seconds"] for h in histories),
        "generator_parameters": sum(p.numel() for p in generator.parameters()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "warnings": sum(len(h.warnings) for h in histories),
    }
    if not smoke or CLASSIFIERS[task] in shipped():  # a run of seconds may come before it
        metrics["named"], names = named(samples, task)
        if isinstance(model, CVAE):
            wanted = torch.arange(num) % model.decoder.num_classes
            metrics["asked_class"] = (names == wanted).double().mean().item()
    if isinstance(model, CodeGenerator):
        metrics |= _use_of_codes(model, test.images[:num], device)
    elif not isinstance(model, VQVAE):
        metrics |= _codes_of(model, task, context.pick(smoke=200, full=NUM), device)
    if isinstance(model, VAE | CVAE):
        metrics["sigma"] = model.decoder.outputs.log_sigma.exp().item()  # type: ignore[union-attr]
        told = test.targets[:num].to(device) if isinstance(model, CVAE) else None
        likely, kl = elbo(model, to_float(test.images[:num].to(device)), told)
        metrics |= {
            "elbo": (likely - kl.sum(1)).mean().item(),
            "divergence": kl.sum(1).mean().item(),
        }
    curves = {
        name: history.column(name)
        for history in histories
        for name in (
            "images",
            "loss",
            "log_likelihood",
            "divergence",
            "perplexity",
            "nats",
            "pixels",
        )
        if history.column(name)
    }
    return Measurement(
        metrics=metrics,
        curves=curves,
        data=f"{TITLES[task]} at 32x32: {len(train)} images to learn from, scores from {num} "
        f"samples and the first {min(num, len(test))} test images. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


@torch.no_grad()
def _use_of_codes(model: CodeGenerator, images: Tensor, device: torch.device) -> dict[str, float]:
    """Return how many codes are used, and what images cost in codes and pixels."""
    x = to_float(images.to(device))
    codes = torch.cat([model.codes.encode(some) for some in x.split(250)])
    counts = code_counts(codes, model.codes.num_codes)
    metrics = {
        "perplexity": perplexity(counts).item(),
        "codes_used": float((counts > 0).sum()),
    }
    if not model.num_classes:
        likely, prior = codes_log_likelihood(model, x)
        metrics["code_nats"] = -prior.mean().item()
        if model.codes.outputs.likelihood == "logistic":
            numbers = x[0].numel()
            metrics["bits_per_dim"] = bits_per_dim(likely + prior, numbers).mean().item()
            metrics["pixel_bits_per_dim"] = bits_per_dim(likely, numbers).mean().item()
    return metrics


def _binarised(context: Context, recipe: CodeRecipe) -> Measurement:
    """Train on digits binarised anew; bound the likelihood of test digits binarised once."""
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    device = pick_device(context.device)
    black = torch.Generator().manual_seed(0)  # the same test digits for every seed
    x_val, x = (binarise(to_float(part.images), generator=black).to(device) for part in (val, test))

    def watch(candidate: nn.Module) -> dict[str, float]:
        assert isinstance(candidate, VAE)
        likely, kl = elbo(candidate, x_val)
        return {"val_elbo": (likely - kl.sum(1)).mean().item()}

    config = recipe.family.config
    model, (history,) = recipe.train(
        train,
        seed=context.seed,
        smoke=context.smoke,
        evaluate=watch,
        evaluate_every=context.pick(smoke=1, full=config.steps // 20),
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    assert isinstance(model, VAE)
    torch.manual_seed(context.seed)
    num, many = context.pick(smoke=(5, 10), full=(CODES, MANY_CODES))
    likely, kl = elbo(model, x)
    with torch.no_grad():
        means = torch.cat([model.encoder(some).mean for some in x.split(1000)])
    bound = importance_bound(model, x, num=num)
    tighter = importance_bound(model, x[:NUM_MANY], num=many)
    judged = [r for r in history.steps if "val_elbo" in r]
    return Measurement(
        metrics={
            "nats": -bound.mean().item(),
            "nats_by_elbo": -(likely - kl.sum(1)).mean().item(),
            "divergence": kl.sum(1).mean().item(),
            "active_units": float(active_units(means.cpu()).sum()),
            "codes_per_image": num,
            "nats_of_some": -bound[:NUM_MANY].mean().item(),
            "nats_of_some_by_many": -tighter.mean().item(),
            "val_score": judged[-1]["val_elbo"],
            "train_seconds": history.steps[-1]["seconds"],
            "parameters": sum(p.numel() for p in model.parameters()),
        },
        curves={
            "val_elbo": [r["val_elbo"] for r in judged],
            "val_elbo_images": [r["images"] for r in judged],
            "divergence": history.column("divergence"),
            "images": history.column("images"),
        },
        data=f"{len(train)} MNIST digits at 28x28 to learn from, binarised anew each time they are "
        f"shown; {len(test)} test digits, binarised once at random; {num} codes for each, "
        f"and {many} for the first {NUM_MANY}, which says what is lost",
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


def _cifar10(context: Context, recipe: CodeRecipe) -> Measurement:
    """Train VQ-VAE and prior on photographs; codes in use, reconstruction, bits for each number."""
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    device = pick_device(context.device)
    num = context.pick(smoke=32, full=NUM)

    @torch.no_grad()
    def watch(candidate: nn.Module) -> dict[str, float]:
        assert isinstance(candidate, CodeGenerator)
        candidate.eval()  # the prior drops nothing while it is judged
        likely, prior = codes_log_likelihood(candidate, to_float(val.images[:num].to(device)))
        bits = bits_per_dim(likely + prior, val.images[0].numel())
        return {"val_bits": bits.mean().item()}

    model, histories = recipe.train(
        train,
        seed=context.seed,
        smoke=context.smoke,
        evaluate=watch,
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    assert isinstance(model, CodeGenerator)
    model.to(device).eval()
    images, classes = test.images[:num], test.targets[:num]
    again = _reconstruct(model, images, classes, device)
    mse, ssim = reconstruction_scores(images, again)
    samples = draw_samples(model, num)
    looks = {"test": images, "reconstructed": again, "samples": samples}
    read = {name: named(some, recipe.data.name) for name, some in looks.items()}
    with torch.no_grad():
        x = to_float(images.to(device))
        uniform = (
            -model.codes.code_size[0]
            * model.codes.code_size[1]
            * torch.tensor(float(model.codes.num_codes)).log()
        )
        likely = torch.cat([log_likelihood(model.codes(s).pixels, s) for s in x.split(250)])
    scores = sample_scores(samples, test, num=num, device=context.device)
    numbers = images[0].numel()
    return Measurement(
        metrics={
            **_use_of_codes(model, images, device),
            "bits_per_dim_uniform": bits_per_dim(likely + uniform, numbers).mean().item(),
            "reconstruction_mse": mse.mean().item(),
            "reconstruction_ssim": ssim.mean().item(),
            **{f"named_{name}": share for name, (share, _) in read.items()},
            **{
                f"accuracy_{name}": (read[name][1] == classes).double().mean().item()
                for name in ("test", "reconstructed")
            },
            "cfd": scores["cfd"],
            "val_score": -histories[-1].steps[-1]["val_bits"],
            "train_seconds": sum(h.steps[-1]["seconds"] for h in histories),
            "parameters": sum(p.numel() for p in model.parameters()),
            "warnings": sum(len(h.warnings) for h in histories),
        },
        curves={
            "perplexity": histories[0].column("perplexity"),
            "images": histories[0].column("images"),
            "nats": histories[1].column("nats"),
        },
        data=f"CIFAR-10: {len(train)} images to learn from, the first {num} test images; "
        f"discretised logistic likelihood of 256 levels. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


def _speed(context: Context) -> Measurement:
    measured = bench(seed=context.seed, repeats=context.pick(smoke=1, full=20))
    return Measurement(
        metrics={
            "ours_ms": 1000 * measured["course_lib"],
            "library_ms": 1000 * measured["vector_quantize_pytorch"],
            "times_library": measured["vector_quantize_pytorch"] / measured["course_lib"],
            "same_codes": measured["same_codes"],
        },
        data="forward and backward on 16,384 random vectors of 64 numbers, 1,024 codes, averages "
        "and restart in both, one thread, in turns, the fastest of each",
    )


ONE_LAYER = (
    Published(
        "86.76 nats of a VAE with one layer of 50 numbers, 200 hidden units",
        86.76,
        "arXiv:1509.00519",
        "3,280 epochs in batches of 20 there, at falling rates; ours has 500 hidden units "
        "with SiLU in the place of tanh, and 182 epochs of 55,000 digits. 5,000 codes for each "
        "digit there, fewer here, so ours is the looser bound. The test digits are binarised by "
        "another draw",
    ),
    Published(
        "87.78 nats of an independent reproduction",
        87.78,
        "github.com/xqding/Importance_Weighted_Autoencoders",
        "the model and the 5,000 codes of arXiv:1509.00519, but by its own account another "
        "optimisation; ours as above",
    ),
)
BITS = (
    Published(
        "4.67 bits per number of a VQ-VAE",
        4.67,
        "arXiv:1711.00937",
        "a softmax over 256 levels and several codebooks for each place there; ours is a "
        "discretised logistic distribution and one codebook, so the two are not set beside each "
        "other as equals",
    ),
)

CLAIMS = (
    Claim(
        name=BINARISED.name,
        title="A VAE with one layer of codes on binarised MNIST, importance-weighted bound",
        measure=partial(_binarised, recipe=BINARISED),
        main="nats",
        needs=("mnist",),
        published=ONE_LAYER,
        minutes=60,
        priority=20,
    ),
    Claim(
        name=VQ_CIFAR10.name,
        title="A VQ-VAE with 512 codes on CIFAR-10, and a prior of its codes",
        measure=partial(_cifar10, recipe=VQ_CIFAR10),
        main="perplexity",
        needs=("cifar10",),
        after=("sample-features",),
        checkpoint=VQ_CIFAR10.name,
        published=BITS,
        minutes=75,
        priority=15,
    ),
    *(
        Claim(
            name=recipe.name,
            title=f"{recipe.family.title} on {TITLES[task]} at 32x32",
            measure=partial(measure, recipe=recipe),
            main="cfd",
            after=("sample-features", f"classifier-{task}"),
            checkpoint=recipe.name if task == "digits" else None,  # shapes: the longer one ships
            minutes=25,
            priority=30,
        )
        for (_, task), recipe in RECIPES.items()
        if task in DRAWN
    ),
    *(
        Claim(
            name=recipe.name,
            title=f"{recipe.family.title} on {TITLES[task]} at 32x32, trained for longer",
            measure=partial(measure, recipe=recipe),
            main="cfd",
            after=("sample-features", f"classifier-{task}"),
            checkpoint=recipe.name,
            minutes=60,
            priority=25,
        )
        for task, recipe in LONG.items()
    ),
    Claim(
        name=SHAPES.name,
        title="SimpleCNN trained on drawn shapes on plain ground",
        measure=partial(_classifier, recipe=SHAPES),
        main="test_accuracy",
        percent=True,
        checkpoint=CLASSIFIERS["shapes"],
        minutes=4,
        priority=35,
    ),
    Claim(
        name="quantiser-speed",
        title="Times that vector-quantize-pytorch takes for a step of the quantiser",
        measure=_speed,
        main="times_library",
        minutes=1,
    ),
)
