"""Generation by a flow: pictures drawn by following a velocity from noise.

The recipes stand in `course_lib.recipes.flow`. Test images are read once, at the end.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import to_float, to_uint8
from course_lib.data.points import mixture, mixture_log_density
from course_lib.metrics import frechet_distance, mode_coverage, velocity_gap
from course_lib.models import Flow, LatentFlow, PointField
from course_lib.ops.solvers import CALLS, solve, time_steps
from course_lib.recipes.flow import (
    LONG,
    MEMORY,
    PLANE,
    PLANE_COMPONENTS,
    PLANE_GANS,
    PLANE_LAYERS,
    PLANE_PASSES,
    PLANE_POINTS,
    PLANE_STD,
    PLANE_WIDTH,
    RECIPES,
    FlowRecipe,
    LatentFlowRecipe,
    memory_recipe,
    plane_centres,
)
from course_lib.recipes.generation import NUM, NUM_VAL, READINGS
from course_lib.recipes.ring import networks as ring_networks
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.generation import TITLES
from course_lib.results.claims.named import CLASSIFIERS, named
from course_lib.results.claims.variational import DRAWN
from course_lib.train import (
    PointFlowConfig,
    PointsConfig,
    draw_samples,
    load_checkpoint,
    pick_device,
    point_log_density,
    sample_features,
    sample_scores,
    shipped,
    train_point_flow,
    train_points,
    velocity_of,
)

SHEET = 64  # samples, of which the time is taken
PLANE_DRAWN = 10_000  # samples of each generator of points
PLANE_WIDTHS = [0.02 * 1.3**k for k in range(12)]  # of the Gaussians around them


def measure(context: Context, recipe: FlowRecipe) -> Measurement:
    """Train a flow, judge its samples, and keep it."""
    task, smoke, device = recipe.data.name, context.smoke, pick_device(context.device)
    train, val, test = recipe.sets(context.root, smoke=smoke)
    num_val, num = context.pick(smoke=(16, 32), full=(NUM_VAL, NUM))
    real = sample_features(val.images[:num_val], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        samples = draw_samples(candidate, num_val)
        return {"val_cfd": frechet_distance(real, sample_features(samples, device=context.device))}

    model, history = recipe.train(
        train,
        seed=context.seed,
        smoke=smoke,
        evaluate=watch,
        evaluate_every=context.pick(smoke=2, full=max(1, recipe.config.steps // READINGS)),
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    model.to(device).eval()
    started = time.perf_counter()
    draw_samples(model, min(num, SHEET))
    seconds = time.perf_counter() - started
    samples = draw_samples(model, num)
    scores = sample_scores(samples, test, training=train, num=num, device=context.device)
    last = history.steps[-1]
    metrics: dict[str, float] = {
        **scores,
        "val_cfd": last["val_cfd"],
        "val_score": -last["val_cfd"],
        "images_seen": last["images"],
        "train_seconds": last["seconds"],
        "sample_seconds": seconds,
        "steps": model.steps,
        "guidance": model.guidance,
        "parameters": sum(p.numel() for p in model.parameters()),
        **{name: value for name, value in last.items() if name.startswith("loss")},
    }
    if isinstance(model, LatentFlow):  # the best that any flow on these codes can reach
        known = train.images[:num]
        again = reconstructed(model, known)
        metrics |= {
            "floor_cfd": sample_scores(again, test, num=len(known), device=context.device)["cfd"],
            "real_cfd": sample_scores(known, test, num=len(known), device=context.device)["cfd"],
            "network_parameters": sum(p.numel() for p in model.network.parameters()),
        }
    # A run of seconds may come before the classifier.
    if task in CLASSIFIERS and (not smoke or CLASSIFIERS[task] in shipped()):
        metrics["named"], names = named(samples, task)
        metrics["named_test"], _ = named(test.images[:num], task)
        if model.num_classes:
            wanted = torch.arange(num) % model.num_classes
            metrics["asked_class"] = (names == wanted).double().mean().item()
    judged = [reading for reading in history.steps if "val_cfd" in reading]
    return Measurement(
        metrics=metrics,
        curves={
            "images": history.column("images"),
            "loss": history.column("loss"),
            "val_images": [reading["images"] for reading in judged],
            "val_cfd": [reading["val_cfd"] for reading in judged],
        },
        data=f"{TITLES[task]} at 32x32: {len(train)} images to learn from, scores from {num} "
        f"samples and the first {min(num, len(test))} test images. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


@torch.no_grad()
def reconstructed(model: LatentFlow, images: Tensor) -> Tensor:
    """Return what encoder, list and decoder leave of pictures (N, C, H, W) uint8."""
    device = next(model.parameters()).device
    parts = [
        model.decode(model.encode(to_float(part.to(device)))).clamp(-1, 1).cpu()
        for part in images.split(500)
    ]
    return to_uint8(torch.cat(parts))


SOLVED = {  # evaluations of the network, for each sample without guidance
    "euler": (2, 4, 8, 16, 32),
    "midpoint": (2, 4, 8, 16, 32),
    "heun": (1, 3, 7, 15, 31),  # its last step is Euler's, with one
    "ddim": (2, 4, 8, 16, 32),
    "ancestral": (8, 16, 32, 64),
}
NUM_SOLVED = 1000  # samples of each


def _solvers(context: Context, task: str) -> Measurement:
    """Ask one trained flow by each solver, with as many evaluations of its network.

    It is the flow of this seed; where its training is not at hand, the shipped one.
    """
    name = f"flow-{task}"
    own = context.run_of(name) / "model.safetensors"
    model, _ = load_checkpoint(own if own.is_file() else name)
    whose = "the flow of this seed" if own.is_file() else "the shipped flow"
    assert isinstance(model, Flow)
    model.to(pick_device(context.device))
    recipe = RECIPES["flow", task]
    test = recipe.data.load("test", None if recipe.data.drawn else context.root)
    num = context.pick(smoke=32, full=NUM_SOLVED)
    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for solver, evaluations in SOLVED.items():
        scores: list[float] = []
        seconds: list[float] = []
        sure: list[float] = []
        wanted = context.pick(smoke=evaluations[:2], full=evaluations)
        for count in wanted:
            model.solver, model.steps = solver, -(-count // CALLS[solver])
            started = time.perf_counter()
            draw_samples(model, min(num, SHEET), seed=context.seed)
            seconds.append(time.perf_counter() - started)
            samples = draw_samples(model, num, seed=context.seed)
            scores.append(sample_scores(samples, test, num=num, device=context.device)["cfd"])
            if task in CLASSIFIERS and CLASSIFIERS[task] in shipped():
                sure.append(named(samples, task)[0])
            metrics[f"{solver}_{count}_cfd"] = scores[-1]
            metrics[f"{solver}_{count}_seconds"] = seconds[-1]
        curves |= {
            f"{solver}_evaluations": [float(count) for count in wanted],
            f"{solver}_cfd": scores,
            f"{solver}_seconds": seconds,
        }
        if sure:
            curves[f"{solver}_named"] = sure
    return Measurement(
        metrics=metrics,
        curves=curves,
        data=f"{TITLES[task]} at 32x32, {whose} with guidance {model.guidance}; {num} samples and "
        f"as many test images at each place; seconds are those of {SHEET} samples, on "
        f"{context.device}, {torch.get_num_threads()} thread(s)",
        fingerprint=test.fingerprint,
    )


def _memory(context: Context, recipe: tuple[FlowRecipe, ...]) -> Measurement:
    """Train equally long on sets of different size; which share of the samples are copies?"""
    metrics: dict[str, float] = {}
    nums: list[float] = []
    shares: list[float] = []
    test = recipe[0].sets(context.root, smoke=context.smoke)[2]
    for one in recipe:
        train, _, _ = one.sets(context.root, smoke=context.smoke)
        model, history = one.train(
            train,
            seed=context.seed,
            smoke=context.smoke,
            out_dir=context.out_dir / one.name,
            device=context.device,
            progress=False,
        )
        num = context.pick(smoke=32, full=1000)
        scores = sample_scores(model, test, training=train, num=num, device=context.device)
        size = str(one.data.num_train)
        for name in ("copied_pixels", "copied_features", "nearest_pixels", "cfd"):
            metrics[f"{name}_{size}"] = scores[name]
        metrics[f"nearest_pixels_test_{size}"] = scores["nearest_pixels_test"]
        metrics[f"loss_{size}"] = history.steps[-1]["loss"]
        where = next(model.parameters()).device
        gap = velocity_gap(
            model.eval().velocity,
            to_float(train.images).to(where),
            num=context.pick(smoke=4, full=1024),
            seed=context.seed,
            batch_size=128,
        )
        for part, (least, more) in enumerate(zip(gap.floor, gap.gap, strict=True)):
            metrics |= {f"floor_{size}_{part}": least, f"gap_{size}_{part}": more}
        nums.append(float(len(train)))
        shares.append(scores["copied_pixels"])
    return Measurement(
        metrics={**metrics, "copied_of_fewest": shares[0], "copied_of_most": shares[-1]},
        curves={"images": nums, "copied": shares},
        data=f"drawn digits at 32x32, {recipe[0].config.steps} updates on each set, without "
        "classes; a sample is a copy where it lies nearer to a training image than 95 % of the "
        "test images do; floor and gap: the least loss that there is on the training images, and "
        "what the network's has above it, in fifths of the time",
        fingerprint=test.fingerprint,
    )


Drawn = Callable[[int], Tensor]  # so many samples (N, 2)


def _by_em(train: Tensor, held_out: Tensor, context: Context) -> Any:
    """Return scikit-learn's mixture of Gaussians by EM whose held-out points are most likely."""
    from sklearn.mixture import GaussianMixture

    passes = context.pick(smoke=2, full=PLANE_PASSES)
    fitted = [
        GaussianMixture(
            count, init_params="k-means++", max_iter=passes, random_state=context.seed
        ).fit(train.numpy())
        for count in context.pick(smoke=PLANE_COMPONENTS[:2], full=PLANE_COMPONENTS)
    ]
    return max(fitted, key=lambda mixture: mixture.score(held_out.numpy()))


def _kernel_nats(samples: Tensor, held_out: Tensor, test: Tensor) -> float:
    """Return the nats of test points by a density around samples, one ruler for all generators.

    A GAN has no density. A Gaussian around each sample gives one; its width is the one under which
    the held-out points are most likely.
    """
    from sklearn.neighbors import KernelDensity

    densities = [
        KernelDensity(bandwidth=width, rtol=1e-4).fit(samples.numpy()) for width in PLANE_WIDTHS
    ]
    best = max(densities, key=lambda density: density.score(held_out.numpy()))
    return -float(best.score(test.numpy())) / len(test)


def _play(points: Tensor, config: PointsConfig) -> tuple[Drawn, float]:
    """Train the ring's GAN on points; return how it draws, and its seconds."""
    generator, discriminator = ring_networks(config.seed)
    started = time.perf_counter()
    train_points(generator, discriminator, points, config=config)
    seconds = time.perf_counter() - started

    @torch.no_grad()
    def draw(num: int) -> Tensor:
        rng = torch.Generator().manual_seed(config.seed)
        return generator(torch.randn(num, generator.latent_dim, generator=rng))

    return draw, seconds


def _plane(context: Context, recipe: dict[str, PointFlowConfig | PointsConfig]) -> Measurement:
    """Learn three densities of the plane, and compare log-densities with the true ones."""
    own = recipe["flow"]
    assert isinstance(own, PointFlowConfig)
    config = replace(own, seed=context.seed, steps=context.pick(smoke=5, full=own.steps))
    num = context.pick(smoke=50, full=4000)
    many, num_drawn = context.pick(smoke=(500, 200), full=(PLANE_POINTS, PLANE_DRAWN))
    metrics: dict[str, float] = {}
    for name, std in PLANE_STD.items():
        centres = plane_centres(name)
        train = mixture(many, centres, std, seed=4 * context.seed)
        test, held_out, fresh = (
            mixture(count, centres, std, seed=4 * context.seed + k)
            for k, count in ((1, num), (2, num // 2), (3, num_drawn))
        )
        true = -mixture_log_density(test, centres, std).mean().item()

        torch.manual_seed(context.seed)
        network = PointField(width=PLANE_WIDTH, num_layers=PLANE_LAYERS)
        started = time.perf_counter()
        history = train_point_flow(network, train, config=config)
        seconds = {"flow": time.perf_counter() - started}
        steps = context.pick(smoke=2, full=100)
        nats = -point_log_density(network, test, steps=steps).log_density.mean().item()
        rng = torch.Generator().manual_seed(context.seed)
        with torch.no_grad():
            noise = torch.randn(num_drawn, 2, generator=rng)
            samples = {"true": fresh, "flow": solve(velocity_of(network), noise, time_steps(steps))}

        started = time.perf_counter()
        em = _by_em(train, held_out, context)
        seconds["em"] = time.perf_counter() - started
        samples["em"] = torch.from_numpy(em.sample(num_drawn)[0]).float()
        for loss, game in recipe.items():
            if isinstance(game, PointsConfig):
                draw, seconds[loss] = _play(
                    train,
                    replace(game, seed=context.seed, steps=context.pick(smoke=5, full=game.steps)),
                )
                samples[loss] = draw(num_drawn)
        metrics |= {
            f"{name}_nats": nats,
            f"{name}_true_nats": true,
            f"{name}_gap": nats - true,
            f"{name}_loss": history.loss[-1],
            f"{name}_em_gap": -float(em.score(test.numpy())) - true,
            f"{name}_em_components": em.n_components,
            # The entropy of the fitted normal distribution: what no flow is needed for.
            f"{name}_normal_nats": 0.5
            * torch.logdet(2 * math.pi * math.e * torch.cov(train.double().T)).item(),
        }
        for who, drawn in samples.items():
            metrics[f"{name}_{who}_kernel_gap"] = _kernel_nats(drawn, held_out, test) - true
            found = mode_coverage(drawn, centres, std)
            metrics[f"{name}_{who}_high_quality"] = found.high_quality
        metrics |= {f"{name}_{who}_train_seconds": took for who, took in seconds.items()}
    return Measurement(
        metrics={**metrics, "largest_gap": max(metrics[f"{n}_gap"] for n in PLANE_STD)},
        data=f"Gaussians on a ring, on a grid and along a spiral; {many} points to learn "
        f"from, {num} to judge; exact divergence, 100 steps of Heun's method. Flow and GANs are "
        f"shown {own.steps * own.batch_size} points each, EM makes at most {PLANE_PASSES} passes. "
        f"kernel_gap: by a Gaussian around each of {num_drawn} samples, true ones too",
    )


def _step_time(context: Context) -> Measurement:
    from course_lib.results.bench.flow import step_times

    size = {"widths": (8, 16), "batch_size": 2, "size": 16, "rounds": 1} if context.smoke else {}
    return Measurement(
        metrics=step_times(**size, device=context.device),  # type: ignore[arg-type]
        data="a training step on 16 random images in colour at 32x32, widths 32, 64 and 96, one "
        "block at each; float32, and quick = bfloat16 and channels_last; the fastest of 12 rounds "
        f"in turns, {torch.get_num_threads()} thread(s), on {pick_device(context.device).type}",
    )


def _claim(recipe: FlowRecipe) -> Claim:
    task = recipe.data.name
    drawn = task in DRAWN
    return Claim(
        name=recipe.name,
        title=f"{recipe.title} on {TITLES[task]} at 32x32",
        measure=partial(measure, recipe=recipe),
        main="cfd",
        needs=() if drawn else (task,),
        after=("sample-features", *((f"classifier-{task}",) if drawn else ())),
        checkpoint=recipe.name,
        minutes=3 * recipe.config.steps / (600 if isinstance(recipe, LatentFlowRecipe) else 190),
        priority=25 if drawn else 10,
    )


CLAIMS = (
    *(_claim(recipe) for recipe in (*RECIPES.values(), LONG)),
    Claim(
        name="flow-plane",
        title="Flow, EM and GANs on three densities of the plane, nats above the true entropy",
        measure=partial(_plane, recipe={"flow": PLANE, **PLANE_GANS}),
        main="largest_gap",
        minutes=25,
        priority=30,
    ),
    *(
        Claim(
            name=f"flow-solvers-{task}",
            title=f"Quality against evaluations of the network, by solver, on {TITLES[task]}",
            measure=partial(_solvers, task=task),
            main="heun_31_cfd",
            after=("sample-features",),  # and where no flow was trained, the shipped one is asked
            minutes=45,
            priority=15,
        )
        for task in DRAWN
    ),
    Claim(
        name="flow-memory",
        title="Copies among a flow's samples, against the size of its training set",
        measure=partial(_memory, recipe=tuple(memory_recipe(num) for num in MEMORY)),
        main="copied_of_fewest",
        percent=False,
        after=("sample-features",),
        minutes=120,
        priority=15,
    ),
    Claim(
        name="flow-step-time",
        title="Time of a training step of the U-Net with time, ours by diffusers' UNet2DModel",
        measure=_step_time,
        main="ratio",
        minutes=2,
    ),
)
