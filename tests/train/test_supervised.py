"""The loop against a bare one, and everything that interrupts it."""

import copy
import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import Augment, ImageSet
from course_lib.models import SimpleCNN, UNet
from course_lib.train import EMA, History, TrainConfig, evaluate, precision, train_supervised
from tests.train.small_sets import labelled, masks, same, saved


def small_unet(dropout: float = 0.0) -> UNet:
    torch.manual_seed(0)
    return UNet(widths=(8, 12), dropout=dropout)


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1, fused=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True, fused=True),
}


@pytest.mark.parity
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.05])
def test_the_engine_computes_what_a_bare_loop_computes(optimizer: str, clip: float | None) -> None:
    data = labelled()
    torch.manual_seed(0)
    model = SimpleCNN(num_classes=3, hidden=8)
    bare = copy.deepcopy(model)
    config = TrainConfig(
        epochs=2,
        batch_size=10,
        lr=1e-2,
        optimizer=optimizer,
        weight_decay=0.1 if optimizer == "adamw" else 0.0,
        clip_norm=clip,
    )
    history = train_supervised(model, data, config=config, progress=False)
    optim = OPTIMIZERS[optimizer](bare.parameters())
    for epoch in range(2):
        losses = []
        for images, targets in data.batches(10, seed=0, epoch=epoch):
            loss = F.cross_entropy(bare(images), targets)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(bare.parameters(), clip)
            optim.step()
            optim.zero_grad()
            losses.append(float(loss.detach()))
        assert history.epochs[epoch]["train_loss"] == pytest.approx(sum(losses) / len(losses))
    assert same(model, bare)


def test_accumulated_micro_steps_equal_one_large_step() -> None:
    data = labelled(32)
    torch.manual_seed(0)
    large = SimpleCNN(num_classes=3, hidden=8).double()
    small = copy.deepcopy(large)

    def train(model: nn.Module, **options: int) -> None:
        config = TrainConfig(epochs=1, lr=1e-2, optimizer="sgd", **options)
        train_supervised(
            model,
            data,
            config=config,
            progress=False,
            loss=lambda x, y: F.cross_entropy(x, y),
        )

    # Double precision: the inputs are float32, so let the first layer convert.
    for model in (large, small):
        model.register_forward_pre_hook(lambda _, args: (args[0].double(),))
    train(large, batch_size=16)
    train(small, batch_size=4, accumulate=4)
    for a, b in zip(large.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_an_epochs_last_update_may_be_smaller() -> None:
    """Seven micro-steps in groups of three: updates after 3, 6 and 7; the last averages one."""
    data = labelled(28)
    torch.manual_seed(0)
    model = SimpleCNN(num_classes=3, hidden=8)
    bare = copy.deepcopy(model)
    config = TrainConfig(epochs=1, batch_size=4, accumulate=3, lr=1e-2, optimizer="sgd")
    train_supervised(model, data, config=config, progress=False)
    optim = OPTIMIZERS["sgd"](bare.parameters())
    batches = list(data.batches(4, seed=0, epoch=0))
    for group in (batches[:3], batches[3:6], batches[6:]):
        for images, targets in group:
            loss = F.cross_entropy(bare(images), targets)
            (loss / len(group) if len(group) > 1 else loss).backward()
        optim.step()
        optim.zero_grad()
    assert same(model, bare)


def test_schedules_start_peak_and_end_where_they_should() -> None:
    data = labelled(40)

    def rates(schedule: str) -> list[float]:
        config = TrainConfig(epochs=10, batch_size=10, lr=0.1, schedule=schedule)
        model = SimpleCNN(num_classes=3, hidden=4)
        return train_supervised(model, data, config=config, progress=False).column("lr")

    constant, cycle, cosine = (rates(s) for s in ("constant", "one-cycle", "cosine"))
    assert constant == [0.1] * 10
    assert max(cycle) == pytest.approx(0.1, rel=1e-2)
    assert cycle.index(max(cycle)) == 2  # 30 % of the way up
    assert cycle[-1] < 1e-6
    expected = [0.05 * (1 + math.cos(math.pi * (e + 1) / 10)) for e in range(10)]
    assert cosine == pytest.approx(expected, abs=1e-12)


@pytest.mark.parity
def test_ema_equals_torchs_averaged_model() -> None:
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ema = EMA(model, 0.9)
    ema.updates = 10_000  # past the warm-up, which torch's has not
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    reference.n_averaged.fill_(1)
    for _ in range(5):
        model(torch.randn(2, 3, 8, 9))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        ema.update(model)
        reference.update_parameters(model)
    mine, theirs = ema.model.state_dict(), reference.module.state_dict()
    for key in ("0.weight", "1.weight", "1.running_mean", "1.running_var"):
        torch.testing.assert_close(mine[key], theirs[key])


def test_the_average_is_what_is_evaluated_and_kept() -> None:
    data = masks()
    config = TrainConfig(epochs=3, batch_size=4, lr=5e-2, ema=0.9)
    averaged, plain = small_unet(), small_unet()
    history = train_supervised(averaged, data, data, config=config, progress=False)
    without = TrainConfig(epochs=3, batch_size=4, lr=5e-2)
    train_supervised(plain, data, data, config=without, progress=False)
    assert not same(averaged, plain)
    assert evaluate(averaged, data).mean_iou == pytest.approx(history.best_score, abs=1e-6)


def test_the_best_epoch_on_the_validation_set_is_kept() -> None:
    """Labels that the training set contradicts: validation gets worse while training goes on."""
    train = masks()
    val = ImageSet(train.images, 1 - train.targets, train.classes, name="flipped", task="semantic")
    model = small_unet()
    config = TrainConfig(epochs=6, batch_size=4, lr=2e-2)
    history = train_supervised(model, train, val, config=config, progress=False)
    scores = history.column("val_mean_iou")
    assert history.best_epoch == scores.index(max(scores)) < 5
    assert evaluate(model, val).mean_iou == pytest.approx(max(scores), abs=1e-6)


AUGMENT = Augment(flip=True, rotate=10, colour=0.2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precision": "bf16", "channels_last": True, "ema": 0.9, "schedule": "one-cycle"},
        {"accumulate": 2, "optimizer": "adamw", "clip_norm": 0.5, "schedule": "cosine"},
    ],
)
@pytest.mark.parametrize("stop_at", [2, 6, 9])
def test_an_interrupted_run_goes_on_bit_for_bit(
    tmp_path: Path, options: dict[str, object], stop_at: int
) -> None:
    """Six steps an epoch; Ctrl-C comes in mid-epoch or at an epoch's end."""
    data = masks()
    config = TrainConfig(epochs=3, batch_size=4, lr=1e-2, augment=AUGMENT, **options)
    undisturbed = small_unet(dropout=0.5)
    whole = train_supervised(undisturbed, data, data, config=config, progress=False)

    calls = 0

    def interrupting(logits: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, targets)

    out_dir = tmp_path / "run"
    arguments = {"config": config, "out_dir": out_dir, "progress": False}
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background
    with pytest.raises(KeyboardInterrupt, match="start the same run again"):
        train_supervised(small_unet(dropout=0.5), data, data, loss=interrupting, **arguments)
    assert signal.getsignal(signal.SIGINT) is before
    resumed = small_unet(dropout=0.5)
    history = train_supervised(resumed, data, data, **arguments)
    assert calls < 18  # the first part was not computed again
    assert same(resumed, undisturbed)
    for name in ("train_loss", "val_loss", "val_mean_iou", "lr"):
        assert history.column(name) == whole.column(name)
    again = small_unet(dropout=0.5)
    finished = train_supervised(again, data, data, **arguments)  # nothing is left to do
    assert same(again, undisturbed)
    assert finished.epochs == history.epochs
    assert json.loads((out_dir / "history.json").read_text())["epochs"] == history.epochs
    assert [path.name for path in out_dir.glob(".*")] == [".lock"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_the_place(tmp_path: Path, value: float) -> None:
    data, calls = labelled(40), 0

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return F.cross_entropy(logits, targets) * (value if calls == 7 else 1.0)

    config = TrainConfig(epochs=3, batch_size=10, log_every=1, checkpoint_every=2)
    with pytest.raises(FloatingPointError, match="epoch 2, step 3 of 4.*learning rate"):
        train_supervised(
            SimpleCNN(num_classes=3),
            data,
            config=config,
            loss=loss,
            out_dir=tmp_path,
            progress=False,
        )
    progress = saved(tmp_path)
    assert (progress["epoch"], progress["step"]) == (1, 2)  # from before the bad step
    assert all(v.isfinite().all() for v in saved(tmp_path, "model").values())


def test_sets_that_cannot_be_trained_on_are_refused() -> None:
    data, config = labelled(), TrainConfig(epochs=1)
    empty = data.subset(torch.arange(0))
    other = ImageSet(data.images, data.targets, ("x", "y", "z"))
    for train, val, message in (
        (empty, None, "is empty"),
        (data, empty, "pass None"),
        (data, other, "different classes"),
    ):
        with pytest.raises(ValueError, match=message):
            train_supervised(SimpleCNN(num_classes=3), train, val, config=config, progress=False)


def test_a_missing_gpu_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("missing capability: a machine without a GPU")
    with pytest.raises(ValueError, match="no GPU here"):
        train_supervised(
            SimpleCNN(num_classes=3), labelled(), config=TrainConfig(epochs=1), device="cuda"
        )


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    config = TrainConfig(epochs=2, batch_size=16, log_every=1)
    with pytest.raises(ValueError, match="out_dir"):
        train_supervised(
            SimpleCNN(num_classes=3), labelled(), config=config, tensorboard=True, progress=False
        )
    train_supervised(
        SimpleCNN(num_classes=3),
        labelled(),
        labelled(),
        config=config,
        out_dir=tmp_path,
        tensorboard=True,
        progress=False,
    )
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert len(events.Scalars("train/loss")) == 6
    assert len(events.Scalars("epoch/val_accuracy")) == 2


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_gpu_learns_as_a_cpu_does(precision: str) -> None:
    data = masks()
    config = TrainConfig(epochs=8, batch_size=8, lr=1e-2, precision=precision, channels_last=True)
    model = small_unet()
    history = train_supervised(model, data, data, config=config, device="cuda", progress=False)
    assert next(model.parameters()).device.type == "cuda"
    assert history.best_score is not None and history.best_score > 0.8


def test_what_is_trained_in_bfloat16_is_asked_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda _: True)
    model, data = small_unet(), masks()
    config = TrainConfig(epochs=1, batch_size=3, precision="bf16")
    train_supervised(model, data, config=config, device="cpu", progress=False)
    fresh = small_unet()
    fresh.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 16, 16)
    assert "forward" not in vars(model)
    assert torch.equal(model(x), fresh.eval()(x))


def test_a_validation_set_without_labels_is_refused() -> None:
    data = masks()
    nothing = copy.copy(data)
    nothing.targets = torch.full_like(data.targets, 255)
    nothing.ignore_index = 255
    with pytest.raises(ValueError, match="No label of the validation set"):
        train_supervised(small_unet(), data, nothing, config=TrainConfig(epochs=1), progress=False)


def test_an_epoch_without_a_score_is_not_the_best() -> None:
    history = History(score="val_mean_iou")
    for epoch, score in enumerate((math.nan, 0.2, math.nan, 0.5)):
        history.epochs.append({"epoch": epoch, "val_mean_iou": score})
    assert history.best_epoch == 3 and history.best_score == 0.5


def test_images_that_do_not_fit_are_no_fault_of_the_batch_size() -> None:
    class Large(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("images of 64x64 are needed")

    data = masks()
    config = TrainConfig(epochs=1, batch_size=len(data) - 1)
    with pytest.raises(ValueError, match="^images of 64x64 are needed$"):
        train_supervised(Large(2, 2), data, config=config, device="cpu", progress=False)
