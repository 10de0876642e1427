"""Scores of samples: what goes in, what comes out, what is refused."""

import sys
from urllib.error import URLError

import pytest
import torch
from torch import nn

from course_lib.data import ImageSet, load
from course_lib.metrics import frechet_distance
from course_lib.train import (
    draw_samples,
    evaluate,
    inception_features,
    load_checkpoint,
    sample_features,
    sample_scores,
)


class Patches(nn.Module):
    """Features without training: the mean grey of sixteen patches of the first channel."""

    def features(self, images):
        return nn.functional.adaptive_avg_pool2d(images[:, :1], 4).flatten(1)


class Noise(nn.Module):
    """A generator whose images are its codes, spread out."""

    latent_dim, out_channels, size, num_classes = 16, 1, (32, 32), 0

    def forward(self, z, labels=None):
        return (
            (z / 3)
            .clamp(-1, 1)
            .reshape(-1, 1, 4, 4)
            .repeat_interleave(8, 2)
            .repeat_interleave(8, 3)
        )


def digits(num, split, seed, channels=1, size=32):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(256, (num, channels, 4, 4), generator=generator, dtype=torch.uint8)
    images = nn.functional.interpolate(coarse.float(), size).to(torch.uint8)
    return ImageSet(images, torch.zeros(num, dtype=torch.int64), ("any",), split=split)


TEST, TRAIN = digits(150, "test", 0), digits(300, "train", 1)


def test_scores_are_those_of_the_metrics_on_the_features():
    samples = digits(120, "train", 2).images
    scores = sample_scores(samples, TEST, num=100, extractor=Patches())
    real, fake = (sample_features(x[:100], extractor=Patches()) for x in (TEST.images, samples))
    assert scores["cfd"] == frechet_distance(real, fake)
    assert scores["num_samples"] == scores["num_reference"] == 100
    assert {"kernel_distance", "precision", "recall", "density", "coverage"} < scores.keys()
    assert not any(name.startswith(("nearest", "copied")) for name in scores)


def test_a_memoriser_is_told_from_new_images():
    copies = TRAIN.images[100:250]
    new = digits(150, "train", 3).images
    kwargs = {"training": TRAIN, "num": 150, "num_nearest": 150, "extractor": Patches()}
    told, fresh = (sample_scores(images, TEST, **kwargs) for images in (copies, new))
    for space in ("pixels", "features"):
        assert told[f"copied_{space}"] == 1 and told[f"nearest_{space}"] == 0
        assert fresh[f"copied_{space}"] < 0.15
        ratio = fresh[f"nearest_{space}"] / fresh[f"nearest_{space}_test"]
        assert ratio == pytest.approx(1, abs=0.1)
        assert told[f"nearest_{space}_test"] == fresh[f"nearest_{space}_test"] > 0


def test_known_features_of_the_training_images_are_used_as_they_are():
    kwargs = {"training": TRAIN, "num": 150, "extractor": Patches()}
    new = digits(150, "train", 3).images
    known = sample_features(TRAIN.images, extractor=Patches())
    computed = sample_scores(new, TEST, **kwargs)
    assert sample_scores(new, TEST, training_features=known, **kwargs) == computed
    far = sample_scores(new, TEST, training_features=known + 100, **kwargs)
    assert far["nearest_features"] > 300 and far["nearest_pixels"] == computed["nearest_pixels"]


def test_pixel_distances_are_root_mean_squares_in_grey_levels():
    samples = (TRAIN.images[:100].int() + 3).clamp(max=255).to(torch.uint8)
    scores = sample_scores(samples, TEST, training=TRAIN, num=100, extractor=Patches())
    assert 2 < scores["nearest_pixels"] <= 3


def test_a_generator_is_asked_for_its_first_samples():
    generator = Noise().train()
    scores = sample_scores(generator, TEST, num=60, seed=5, extractor=Patches())
    drawn = draw_samples(generator, 60, seed=5)
    assert scores == sample_scores(drawn, TEST, num=60, extractor=Patches())
    assert scores != sample_scores(generator, TEST, num=60, seed=6, extractor=Patches())
    assert generator.training


def test_the_reference_may_be_smaller_than_the_number_of_samples_and_says_so():
    scores = sample_scores(digits(200, "train", 2).images, TEST, num=200, extractor=Patches())
    assert (scores["num_samples"], scores["num_reference"]) == (200, 150)


def test_features_do_not_depend_on_batches_types_or_the_mode():
    images = digits(30, "test", 0, channels=3).images
    extractor = load_checkpoint("sample-features")[0]
    whole = sample_features(images)
    assert whole.shape == (30, 64) and whole.dtype == torch.float32
    assert torch.allclose(whole, sample_features(images, batch_size=7), atol=1e-5)
    assert torch.allclose(whole, sample_features(images.float() / 127.5 - 1), atol=1e-5)
    assert torch.allclose(whole, sample_features(images, extractor=extractor.train()), atol=1e-5)
    assert extractor.training


def test_grey_images_count_as_colour_images_and_other_sizes_are_resized():
    grey = digits(10, "test", 0).images
    assert torch.equal(sample_features(grey), sample_features(grey.expand(-1, 3, -1, -1)))
    large = torch.randint(256, (10, 1, 64, 64), dtype=torch.uint8)
    quarters = large.float().reshape(10, 1, 32, 2, 32, 2).mean(dim=(3, 5)).round().to(torch.uint8)
    far = (sample_features(grey) - sample_features(quarters)).norm(dim=1)
    near = (sample_features(large) - sample_features(quarters)).norm(dim=1)
    assert (near < 0.5 * far).all()  # antialiased: the mean of its neighbours, roughly


@pytest.mark.parametrize(
    ("samples", "reference", "training", "match"),
    [
        (TEST.images, TRAIN, None, "reference holds training images"),
        (TEST.images, TEST, digits(9, "train", 0, size=28), "differ in shape"),
        (TEST.images.float(), TEST, None, "wanted uint8"),
        (digits(150, "test", 0, channels=3).images, TEST, None, "grey generator"),
        (digits(150, "test", 0, size=28).images, TEST, None, "at the generator's size"),
        (TEST.images[:99], TEST, None, "got 99 samples, and num is 100"),
    ],
)
def test_what_cannot_be_compared_is_refused(samples, reference, training, match):
    with pytest.raises(ValueError, match=match):
        sample_scores(samples, reference, training=training, num=100, extractor=Patches())


def test_without_network_the_inception_features_say_what_to_do(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise URLError("no route to host")

    pytest.importorskip("torch_fidelity")
    images = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match="could not be fetched.*weights=PATH.*no FID"):
        inception_features(images)
    with pytest.raises(FileNotFoundError, match="weights=PATH"):
        inception_features(images, weights=tmp_path / "none.pth")
    torch.save({}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="other.pth does not hold the weights .*6726825d"):
        inception_features(images, weights=tmp_path / "other.pth")


def test_without_the_package_the_inception_features_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ImportError, match="pip install torch-fidelity"):
        inception_features(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match="wanted uint8"):
        inception_features(torch.zeros(2, 3, 32, 32))


def test_the_inception_features_are_the_pooled_ones(monkeypatch):
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    monkeypatch.setattr("course_lib.train.inception.fetched_weights", lambda *_: {})
    monkeypatch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
    images = torch.randint(256, (3, 1, 32, 32), dtype=torch.uint8)
    features = inception_features(images, batch_size=2)
    assert features.shape == (3, 2048) and features.dtype == torch.float32
    assert features.isfinite().all()


REAL = [pytest.param(name, marks=pytest.mark.real_data) for name in ("mnist", "cifar10")]


@pytest.mark.parametrize("name", ["shapes", *REAL])
def test_the_extractors_card_states_the_accuracy_that_it_has(name, request):
    from course_lib.recipes.sample_features import NUMS, part

    root = None if name == "shapes" else request.getfixturevalue("real_data")
    model, card = load_checkpoint("sample-features")
    assert sum(p.numel() for p in model.parameters()) < 700_000
    test = part(name, "test", root, NUMS[name]["test"])
    test.targets += 10 * list(NUMS).index(name)
    test.classes = card["classes"]
    stated = card["score"][f"accuracy_{name}"]
    assert evaluate(model, test).accuracy == pytest.approx(stated, abs=2e-3)


def test_the_sets_were_joined_in_the_order_of_the_classes():
    from course_lib.recipes.sample_features import part

    _, card = load_checkpoint("sample-features")
    shapes = part("shapes", "test", None, 40)
    assert card["classes"][20:] == [f"shapes {label}" for label in shapes.classes]
    plain = load("shapes", "test", size=32, task="classification", condition="plain", num=20)
    assert torch.equal(shapes.images[20:], plain.images)
