"""What a run saves, what it refuses to go on from, and what it says."""

import copy
import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.models import DeepLabV3Plus, SimpleCNN, UNet
from course_lib.train import TrainConfig, train_supervised
from course_lib.train.files import HERE, claimed
from course_lib.train.run import read_checkpoint
from tests.train.small_sets import labelled, masks, saved

CONFIG = TrainConfig(epochs=1, batch_size=8, lr=1e-2)
QUIET = {"config": CONFIG, "device": "cpu", "progress": False}


def unet(**options: object) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"widths": (4, 6), **options})


def trained(folder: Path, **options: object) -> UNet:
    """A small network after one epoch, saved in a folder."""
    model = unet(**options)
    train_supervised(model, masks(), masks(8), out_dir=folder, **QUIET)
    return model


def go_on(folder: Path, model: nn.Module, config: TrainConfig = CONFIG) -> None:
    train_supervised(model, masks(), masks(8), out_dir=folder, **{**QUIET, "config": config})


# ------------------------------------------------------------------------ another run in the folder


class Frozen(UNet):
    """The first layer does not learn."""

    def __init__(self) -> None:
        super().__init__(widths=(4, 6))
        self.stem.requires_grad_(False)


DIFFERENT = {
    "dropout": (lambda: unet(dropout=0.5), r"model.dropout.p \(0.0 there, 0.5 here\) differ"),
    "norm": (lambda: unet(norm="group"), r"the model's layers \(.* there, .* here\) differ"),
    "widths": (lambda: unet(widths=(6, 9)), r"layers \(stem.0.weight is \(4, 3, 3, 3\) there, \(6"),
    "depth": (lambda: unet(widths=(4, 6, 8)), r"the model's layers \(.* there, none|none there"),
    "frozen": (Frozen, r"model.stem.0.weight learns \(True there, False here\)"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_network_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    trained(tmp_path)
    make, said = DIFFERENT[name]
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=f"belongs to another run: .*{said}") as told:
        go_on(tmp_path, model)
    assert len(str(told.value)) < 600 and "\n" not in str(told.value)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_another_output_stride_changes_no_weight_and_is_refused(tmp_path: Path) -> None:
    data = masks(8, (32, 32))
    for stride, told in (
        (8, None),
        (16, r"strides \(\(2, 4, 8, 8, 8\) there, \(2, 4, 8, 16, 16\)"),
    ):
        model = DeepLabV3Plus(output_stride=stride, rates=(1, 2, 3), width=8)
        if told is None:
            train_supervised(model, data, out_dir=tmp_path, **QUIET)
        else:
            with pytest.raises(ValueError, match=f"{told}.* and [0-9]+ more differ"):
                train_supervised(model, data, out_dir=tmp_path, **QUIET)


def test_what_a_model_counts_while_it_trains_is_no_setting(tmp_path: Path) -> None:
    class Counts(SimpleCNN):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    for _ in range(2):
        train_supervised(Counts(num_classes=3), labelled(), out_dir=tmp_path, **QUIET)
    assert saved(tmp_path)["epoch"] == 1


# --------------------------------------------------------------------------- damaged and odd files


def test_no_changed_byte_of_a_weight_is_believed(tmp_path: Path) -> None:
    trained(tmp_path)
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    weight = saved(tmp_path, "model")["stem.0.weight"].numpy().tobytes()
    at = whole.index(weight)
    path.write_bytes(whole[: at + 40] + bytes(40) + whole[at + 80 :])
    with pytest.raises(
        ValueError, match="is damaged .* has changed.*: delete it .* restore a copy"
    ):
        go_on(tmp_path, unet())


def test_every_flipped_bit_is_harmless_or_noticed(tmp_path: Path) -> None:
    trained(tmp_path)
    path = tmp_path / "checkpoint.pt"
    content = path.read_bytes()
    right = repr(read_checkpoint(path))
    noticed = 0
    for at in torch.randint(len(content), (60,)).tolist():
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        try:
            assert repr(read_checkpoint(path)) == right
        except ValueError as error:
            noticed += "is damaged" in str(error)
    assert noticed > 30


ODD = {
    "a list": ([1, 2], "holds no training"),
    "a number": (3, "holds no training"),
    "a tensor": (torch.zeros(2), "holds no training"),
    "nothing": ({}, "holds no training"),
    "a configuration that is a list": ({"config": [1]}, "holds no training"),
    "parts that are a list": ({"parts": [1]}, "holds no training"),
    "an earlier layout": ("old", "from an earlier version of the course: delete it"),
    "parts without weights": ({"parts": {"model": 3}}, "the model's layers"),
    "another progress": ("progress", "does not fit this run .its progress: "),
    "settings of another": ({"config": {"lr": "fast"}}, r"lr \(fast there"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_with_something_else_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    trained(tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    content, said = ODD[name]
    if content == "old":
        content = {"config": state["config"], "model": state["parts"]["model"], "versions": {}}
    elif content == "progress":
        state["parts"]["progress"] = {"epoch": 0}
        content = state
    elif isinstance(content, dict) and content:
        content = state | content
    torch.save(content, path)
    with pytest.raises(ValueError, match=said) as told:
        go_on(tmp_path, unet())
    assert "\n" not in str(told.value) and "checkpoint.pt" in str(told.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_place_of_a_checkpoint_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="is damaged .it is a folder, a pipe or a device.: delete"):
        read_checkpoint(tmp_path / "checkpoint.pt")


def test_a_damaged_record_beside_a_finished_run_is_written_again(tmp_path: Path) -> None:
    model = trained(tmp_path)  # in evaluation mode now, which makes it no other network
    path = tmp_path / "history.json"
    right = path.read_text()
    path.write_text(right[:20])
    go_on(tmp_path, model)
    assert path.read_text() == right and json.loads(right)["epochs"]


# ------------------------------------------------------------------------------- what is not saved


def spoiled(after: int) -> UNet:
    """A network whose update number `after` turns its weights to NaN; no loss shows it."""
    model, updates = unet(), []

    def spoil(gradient: Tensor) -> Tensor:
        updates.append(1)
        return gradient * torch.nan if len(updates) == after else gradient

    next(model.parameters()).register_hook(spoil)
    return model


def test_weights_that_are_not_finite_are_never_saved_nor_judged(tmp_path: Path) -> None:
    config = TrainConfig(epochs=2, batch_size=8)  # three steps in an epoch
    message = "At epoch 2, after step 3 of 3, the model's weights hold NaN.*Lower the learning rate"
    with pytest.raises(FloatingPointError, match=message):
        go_on(tmp_path, spoiled(6), config)
    assert saved(tmp_path)["epoch"] == 1
    assert all(v.isfinite().all() for v in saved(tmp_path, "model").values())
    with pytest.raises(FloatingPointError, match="weights hold NaN"):  # without a folder as well
        train_supervised(spoiled(6), masks(), **{**QUIET, "config": config})


def test_a_mask_of_infinite_values_is_no_divergence(tmp_path: Path) -> None:
    class Masked(SimpleCNN):
        def __init__(self) -> None:
            super().__init__(num_classes=3)
            self.register_buffer("mask", torch.full((2,), -torch.inf))

    train_supervised(Masked(), labelled(), out_dir=tmp_path, **QUIET)
    assert saved(tmp_path)["epoch"] == 1


def test_two_runs_at_once_in_one_folder_are_told(tmp_path: Path) -> None:
    with claimed(tmp_path, 0), pytest.raises(ValueError, match="is training in"):
        trained(tmp_path)
    trained(tmp_path)


def test_leftovers_of_a_killed_run_are_swept_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / f".checkpoint.pt.{HERE}.4194305").write_bytes(b"half")  # no such process
    trained(tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [".lock"]


def test_a_disk_without_room_for_the_checkpoints_is_told_first(tmp_path: Path, monkeypatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    steps: list[int] = []
    with pytest.raises(OSError, match="MB are needed"):
        train_supervised(
            unet(), masks(), loss=lambda x, y: steps.append(1) or x.sum(), out_dir=tmp_path, **QUIET
        )
    assert not steps


# ------------------------------------------------------------------------------------- before, stop


def test_a_last_batch_of_one_image_is_refused_before_the_first_step() -> None:
    steps: list[int] = []

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        steps.append(len(targets))
        return F.cross_entropy(logits, targets)

    data, model = masks(9, (32, 32)), DeepLabV3Plus(width=8)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"9 images in batches of 8.*another batch_size"):
        train_supervised(model, data, loss=loss, **QUIET)
    assert not steps and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    train_supervised(unet(), masks(9), loss=loss, **QUIET)  # this network has pixels enough
    assert steps == [8, 1]


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: unet(widths=(0, 4)), r"UNet.stem.0.weight has shape \(0, 3, 3, 3\).*at least 1"),
        (lambda: unet(dropout=float("nan")), "UNet.dropout drops a share of nan.*from 0 to 1"),
    ],
)
def test_a_network_that_cannot_learn_is_refused(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        train_supervised(make(), masks(), **QUIET)


def test_a_second_ctrl_c_stops_at_once_and_says_so(tmp_path: Path) -> None:
    steps: list[int] = []

    def impatient(logits: Tensor, targets: Tensor) -> Tensor:
        steps.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, targets)

    with pytest.raises(KeyboardInterrupt, match="Interrupted at once"):
        train_supervised(unet(), masks(), loss=impatient, out_dir=tmp_path, **QUIET)
    assert len(steps) == 1 and not (tmp_path / "checkpoint.pt").exists()


def test_without_a_folder_ctrl_c_says_that_nothing_was_saved() -> None:
    def interrupting(logits: Tensor, targets: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, targets)

    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        train_supervised(unet(), masks(), loss=interrupting, **QUIET)


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ValueError, match=r"lr \(0.01 there, 0.5 here\) differ. Choose another"):
        go_on(tmp_path, unet(), dataclasses.replace(CONFIG, lr=0.5))


def test_data_of_a_run_is_known_by_its_content(tmp_path: Path) -> None:
    trained(tmp_path)
    other: ImageSet = masks()
    other.images[0, 0, 0, 0] += 1
    other = dataclasses.replace(other, _fingerprint="")
    with pytest.raises(ValueError, match=r"data \(.* there, .* here\) differ"):
        train_supervised(unet(), other, masks(8), out_dir=tmp_path, **QUIET)
