"""Check of the exercise `judge_pass`: repair a validation that changes what it looks at."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

Batches = Iterable[tuple[Tensor, Tensor]]


def reference(model: nn.Module, batches: Batches, ignore_index: int = 255) -> float:
    """Return the share of right pixels, and leave the model as it was.

    Args:
        model: images (B, 3, H, W) to logits (B, K, H, W).
        batches: pairs of images and masks (B, H, W).
        ignore_index: pixels with this label do not count.
    """
    return float(_judge(model, batches, ignore_index))


def _judge(
    model: nn.Module,
    batches: Batches,
    ignore_index: int = 255,
    *,
    mode: str = "eval",
    afterwards: str = "as each layer was",
    pooled: str = "pixels",
    graph: bool = False,
    unlabelled: str = "left out",
) -> float:
    """The validation, with each of its parts right or wrong."""
    modes = [(layer, layer.training) for layer in model.modules()]
    was = model.training
    if mode == "eval":
        model.eval()
    elif mode == "train":
        model.train()
    right, labelled, shares = 0, 0, []
    for images, masks in batches:
        with torch.set_grad_enabled(graph):
            guess = model(images).argmax(dim=1)
        known = masks != ignore_index
        hits = int(((guess == masks) & known).sum())
        count = int(known.sum()) if unlabelled == "left out" else masks.numel()
        right, labelled = right + hits, labelled + count
        shares.append(hits / max(count, 1))
    if afterwards == "as each layer was":
        for layer, training in modes:
            layer.training = training
    elif afterwards == "as the model was":
        model.train(was)
    elif afterwards == "train":
        model.train()
    return right / labelled if pooled == "pixels" else sum(shares) / len(shares)


BUGS: dict[str, Any] = {
    "mode": "train",
    "afterwards": "nothing",
    "pooled": "batches",
    "graph": True,
}
broken = partial(_judge, **BUGS)


class _Net(nn.Module):
    """Images (B, 3, H, W) to logits (B, 3, H, W); notes how it was called."""

    def __init__(self, generator: torch.Generator, *, norm: bool = True) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(5) if norm else nn.Identity()
        self.head = nn.Conv2d(5, 3, 1)
        self.graphs: list[bool] = []
        self.double()
        with torch.no_grad():
            for layer in (self.body, self.head):
                for parameter in layer.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=generator).double())
            if isinstance(self.norm, nn.BatchNorm2d):
                self.norm.running_mean = torch.randn(5, generator=generator).double()
                self.norm.running_var = 4 * torch.rand(5, generator=generator).double() + 0.2

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        self.graphs.append(torch.is_grad_enabled())
        out: Tensor = self.head(torch.tanh(self.norm(self.body(images))))
        return out


def _batch(generator: torch.Generator, size: int, *, ignored: int = 255) -> tuple[Tensor, Tensor]:
    images = torch.randn(size, 3, 4, 6, generator=generator, dtype=torch.float64)
    masks = torch.randint(0, 3, (size, 4, 6), generator=generator)
    hide = torch.rand(masks.shape, generator=generator) < 0.3
    return images, masks.where(~hide, ignored)


def _example(generator: torch.Generator) -> tuple:
    return _Net(generator).train(), [_batch(generator, size) for size in (4, 4, 1)]


def _judged(student: Any, arguments: tuple) -> tuple:
    """Scores, stored statistics and modes of a model that comes in three ways; and its graphs."""
    net, batches = arguments
    scores, stored, modes, graphs = [], [], [], []
    for training, frozen in ((True, False), (False, False), (True, True)):
        net.train(training)
        if frozen:
            net.norm.eval()
        scores.append(float(student(net, batches)))
        after = student.given[0]
        stored += [b.double() for b in after.buffers()]
        modes.append([layer.training for layer in after.modules()])
        graphs.append(after.graphs[-1])
    return scores, stored, modes, graphs


judge_pass = Repair(
    "judge_pass",
    lab="normalisation",
    level="build",
    minutes=15,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_judged,
    may_change=("model",),
)


@judge_pass.bug(
    "an image's answer does not depend on its batch",
    left=partial(_judge, mode="train"),
    hint="The model judges in training mode: each image is normalised by its batch, and the stored "
    "statistics move towards the validation images. Call model.eval() first.",
)
def _alone(student: Any, generator: torch.Generator) -> None:
    net = _Net(generator)
    images, masks = _batch(generator, 6)
    masks[3:] = 255  # three images that count, and three neighbours that do not
    scores = []
    for scale in (1, 5):
        beside = torch.cat([images[:3], 2 + scale * images[3:]])
        scores.append(float(student(net.train(), [(beside, masks)])))
        stored = student.given[0].norm
        pairs = zip(stored.buffers(), net.norm.buffers(), strict=True)
        still = all(torch.equal(before, after) for before, after in pairs)
        assert still, "after the validation, the stored mean and variance are others than before"
    assert scores[0] == scores[1], (
        f"three images score {scores[0]:.3f}, and {scores[1]:.3f} beside other unlabelled images"
    )


@judge_pass.bug(
    "afterwards each layer is in the mode in which it came",
    left=partial(_judge, afterwards="nothing"),
    hint="The model stays in evaluation mode, so the training that goes on afterwards uses stored "
    "statistics. Note the mode of every module before, and put it back.",
)
def _restored(student: Any, generator: torch.Generator) -> None:
    for frozen in (False, True):
        for training in (True, False):
            net = _Net(generator).train(training)
            if frozen:
                net.norm.eval()
            student(net, [_batch(generator, 3)])
            after = student.given[0]
            assert after.training == training and after.head.training == training, (
                f"it came in {_word(training)} mode and leaves in {_word(after.training)} mode"
            )
            assert after.norm.training == net.norm.training, (
                "its BatchNorm came frozen, in evaluation mode, and leaves in training mode"
            )


@judge_pass.bug(
    "every labelled pixel counts the same",
    left=partial(_judge, pooled="batches"),
    hint="You take the mean of the batches' shares: a pixel of the last, smaller batch counts "
    "more. Add up right and labelled pixels, and divide once.",
)
def _pooled(student: Any, generator: torch.Generator) -> None:
    net = _Net(generator, norm=False).eval()
    for sizes in ((4, 1), (1, 5, 2)):
        batches = [_batch(generator, size) for size in sizes]
        got, wanted = float(student(net, batches)), reference(net, batches)
        assert abs(got - wanted) < 1e-9, (
            f"batches of {' and '.join(map(str, sizes))} images, a model without BatchNorm: you "
            f"return {got:.4f}, wanted {wanted:.4f}"
        )


@judge_pass.bug(
    "no graph is built",
    left=partial(_judge, graph=True),
    hint="The forward pass keeps everything that a backward pass would need, and there is none. "
    "Put it into `with torch.no_grad():`.",
)
def _without_graph(student: Any, generator: torch.Generator) -> None:
    student(_Net(generator), [_batch(generator, 2)])
    assert student.given[0].graphs, "no image went through the model"
    assert not any(student.given[0].graphs), (
        "the forward pass builds a graph: memory is held for a backward pass that never comes"
    )
    assert torch.is_grad_enabled(), "after your function no gradients are computed any more"


judge_pass.equals_reference(
    "score, stored statistics and modes are right",
    points=1,
    probe=lambda student, arguments: _judged(student, arguments)[:3],
    what=("the scores", "the stored statistics", "the modes"),
)

judge_pass.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Four things are wrong: think of the mode "
    "before and after, of the last batch, and of memory.",
)
judge_pass.mistake(
    "always back to training mode",
    partial(_judge, afterwards="train"),
    hint="You end with model.train(). A model that came in evaluation mode, to be used, leaves in "
    "training mode.",
)
judge_pass.mistake(
    "frozen layers thawed",
    partial(_judge, afterwards="as the model was"),
    hint="model.train(was) sets *all* layers alike. Somebody may have frozen the BatchNorms of a "
    "model that is being fine-tuned: note and restore the mode of each module.",
)
judge_pass.mistake(
    "the mode is left as it was",
    partial(_judge, mode="as it was", afterwards="nothing"),
    hint="You took model.train() away, so the model judges in the mode in which it happens to "
    "come. Call model.eval().",
)
judge_pass.mistake(
    "ignored pixels counted",
    partial(_judge, unlabelled="counted"),
    hint="You divide by all pixels. Those with the label `ignore_index` were never labelled: count "
    "only the others.",
)


def _word(training: bool) -> str:
    return "training" if training else "evaluation"
