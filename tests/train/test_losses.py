"""A configuration chooses the loss; what was trained before it could, goes on as before."""

import pytest
import torch

from course_lib.data import ImageSet
from course_lib.losses import cross_entropy, dice_loss
from course_lib.models import UNet
from course_lib.train import TrainConfig, train_supervised
from tests.train.small_sets import same


def masks(num=12):
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(256, (num, 3, 10, 12), generator=generator, dtype=torch.uint8)
    targets = (images[:, 0] > 127).to(torch.uint8)
    targets[:, 0] = 255
    return ImageSet(images, targets, ("dark", "bright"), task="semantic", ignore_index=255)


def trained(config, **options):
    torch.manual_seed(0)
    model = UNet(widths=(4, 8))
    history = train_supervised(model, masks(), config=config, progress=False, **options)
    return model, history.column("train_loss")


def test_the_named_loss_is_what_is_minimised():
    common = {"epochs": 2, "batch_size": 6}
    named, losses = trained(
        TrainConfig(loss="cross-entropy+dice", class_weights=(1.0, 3.0), **common)
    )
    given, expected = trained(
        TrainConfig(**common),
        loss=lambda z, y: cross_entropy(z, y, weight=(1.0, 3.0)) + dice_loss(z, y),
    )
    assert losses == expected and same(named, given)
    assert not same(named, trained(TrainConfig(**common))[0])


@pytest.mark.parametrize("loss", ["focal", "dice", "lovasz", "cross-entropy+boundary"])
def test_each_loss_trains(loss):
    _, losses = trained(TrainConfig(epochs=6, batch_size=4, lr=1e-2, loss=loss))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": "hinge"}, "choose one of cross-entropy"),
        ({"loss": "dice", "class_weights": (1.0, 2.0)}, "takes no class weights"),
    ],
)
def test_a_bad_choice_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig(**options)


def test_a_run_with_another_loss_is_another_run(tmp_path):
    options = {"epochs": 1, "batch_size": 6}
    trained(TrainConfig(**options), out_dir=tmp_path)
    trained(TrainConfig(loss="focal", **options), out_dir=tmp_path / "focal")
    for loss, folder in (("focal", tmp_path), ("cross-entropy", tmp_path / "focal")):
        with pytest.raises(ValueError, match=r"loss \(.*\) differ"):
            trained(TrainConfig(loss=loss, **options), out_dir=folder)


def test_a_run_from_before_there_was_a_choice_goes_on(tmp_path):
    config = TrainConfig(epochs=1, batch_size=6)
    before, _ = trained(config, out_dir=tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["config"]["loss"], state["config"]["class_weights"]
    torch.save(state, path)
    again, _ = trained(config, out_dir=tmp_path)
    assert same(again, before)
    with pytest.raises(ValueError, match=r"loss \(.*\) differ"):
        trained(TrainConfig(epochs=1, batch_size=6, loss="dice"), out_dir=tmp_path)
