"""Which network is better, and how sure is that? Computed from the runs of the comparison."""

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch
from torch import Tensor

from course_lib.metrics import mean_iou, paired_bootstrap
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.segmentation import ARCHITECTURES, SHIFTS, TITLES, claim_name
from course_lib.results.compact import unpack_counts
from course_lib.results.files import load as load_result


@dataclass(frozen=True)
class Ranking:
    """What `rank` found.

    Attributes:
        order: names, best first.
        rank_shares: name -> share of the resamples in which it took rank 1, 2, ….
    """

    order: tuple[str, ...]
    rank_shares: dict[str, list[float]]


def rank(counts: dict[str, Tensor], *, resamples: int = 2000, seed: int = 0) -> Ranking:
    """Order models by mIoU, and draw test images *and* trainings anew to see how firm that is.

    Each resample draws N of the N images, the same for all models, and for each model S of its S
    trainings, both with replacement; the models are ranked by the mean over the drawn trainings.
    With three trainings the draw understates their spread (27 draws, 10 of them different): a
    share of 1.0 means "in every resample", no more.

    Args:
        counts: name -> (S, N, C, C) counts per training and image, same images in the same order.
        resamples: how many times to draw.
        seed: of the draw.

    Raises:
        ValueError: if the models were judged on different truths.
    """
    truths = [c.sum(-1) for c in counts.values()]  # (S, N, C) pixels of each true class
    if any(not bool((t == truths[0][0]).all()) for t in truths):
        raise ValueError(
            "the models were judged on different truths: the row sums (pixels of each true class, "
            "for each image) differ. Measure all of them again on the same test images."
        )
    generator = torch.Generator().manual_seed(seed)
    num_images = truths[0].shape[1]
    whole = {name: float(mean_iou(c.sum(1)).mean()) for name, c in counts.items()}
    drawn = torch.randint(num_images, (resamples, num_images), generator=generator)
    weights = torch.zeros(resamples, num_images, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))  # how often each image is drawn
    scores = []
    for matrices in counts.values():
        runs = len(matrices)
        summed = torch.einsum("rn,snij->rsij", weights, matrices.double())
        chosen = torch.randint(runs, (resamples, runs), generator=generator)
        scores.append(mean_iou(summed).gather(1, chosen).mean(1))  # (resamples,)
    place = torch.stack(scores, 1).argsort(1, descending=True).argsort(1)  # (resamples, models)
    shares = torch.nn.functional.one_hot(place, len(counts)).double().mean(0)  # (models, ranks)
    order = tuple(sorted(whole, key=lambda name: -whole[name]))
    return Ranking(order, dict(zip(counts, shares.tolist(), strict=True)))


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Correct p-values for being several: Holm's step-down method.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    corrected, running = {}, 0.0
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, (len(p_values) - i) * p))
        corrected[name] = running
    return corrected


def _counts(task: str, context: Context, condition: str) -> dict[str, Tensor]:
    key = f"per_image_{condition}" if condition else "per_image"
    counts = {}
    for name in ARCHITECTURES:
        runs = load_result(claim_name(task, name), context.results_dir).runs
        counts[name] = torch.stack([unpack_counts(run["arrays"][key]) for run in runs])
    return counts


def _measure(context: Context, task: str, condition: str = "") -> Measurement:
    """All pairs with paired bootstrap intervals, and the ranking."""
    counts = _counts(task, context, condition)
    resamples = context.pick(smoke=100, full=10_000)
    ranking = rank(counts, resamples=min(resamples, 2000), seed=context.seed)
    metrics: dict[str, float] = {}
    for name, shares in ranking.rank_shares.items():
        metrics[f"{name}_rank"] = ranking.order.index(name) + 1
        metrics[f"{name}_first_share"] = shares[0]
    p_values = {}
    for a, b in combinations(ARCHITECTURES, 2):
        found = paired_bootstrap(counts[a], counts[b], resamples=resamples, seed=context.seed)
        pair = f"{a}_minus_{b}"
        metrics |= {
            f"{pair}": found.difference,
            f"{pair}_low": found.low,
            f"{pair}_high": found.high,
        }
        p_values[f"{pair}_p_value"] = found.p_value
    metrics |= holm(p_values)
    best, second = ranking.order[:2]
    lead = paired_bootstrap(counts[best], counts[second], resamples=resamples, seed=context.seed)
    metrics |= {"lead": lead.difference, "lead_low": lead.low, "lead_high": lead.high}
    images = next(iter(counts.values())).shape[1]
    return Measurement(
        metrics=metrics,
        arrays={"order": list(ranking.order), "rank_shares": ranking.rank_shares},
        data=f"the {images} test images of the comparison on {task}"
        f"{f' ({condition})' if condition else ''}, drawn anew {resamples} times; all seeds "
        "pooled, p-values corrected for six comparisons (Holm)",
    )


CLAIMS = tuple(
    Claim(
        name=f"ranking-{task}{f'-{condition}' if condition else ''}",
        title=f"Ranking of the four networks on {task}{f', {condition}' if condition else ''}: "
        "the best one's lead over the second",
        measure=partial(_measure, task=task, condition=condition),
        main="lead",
        seeds=(0,),
        after=tuple(claim_name(task, name) for name in ARCHITECTURES),
        minutes=0.2,
    )
    for task in TITLES
    for condition in (("", *SHIFTS) if task == "streets" else ("",))
)
