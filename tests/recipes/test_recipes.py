"""Each recipe stands once, is the one that its claim measures, and builds what it says."""

from dataclasses import replace

import pytest
import torch

from course_lib import recipes
from course_lib.data import ImageSet
from course_lib.recipes import (
    bottom_up,
    classifier,
    data_efficiency,
    generation,
    losses,
    ring,
    segmentation,
)
from course_lib.recipes.recipe import DataSpec, Family, GANRecipe, Network, Recipe
from course_lib.results import CLAIMS
from course_lib.train import PointsConfig

SUPERVISED = [
    *recipes.SUPERVISED.values(),
    *segmentation.COMPARED.values(),
    *losses.RECIPES.values(),
    *data_efficiency.RECIPES.values(),
    *bottom_up.BOTTOM_UP.values(),
    bottom_up.TOP_DOWN_SHORT,
    classifier.CONSTANT,
    segmentation.UNET_STREETS_NO_SKIPS,
]
GANS = [*recipes.GANS.values(), *generation.LONG.values()]


def picture_set(channels: int = 3, size: tuple[int, int] = (16, 24), name: str = "x") -> ImageSet:
    images = torch.randint(256, (4, channels, *size), dtype=torch.uint8)
    return ImageSet(images, torch.arange(4), ("a", "b", "c", "d"), name=name)


@pytest.mark.parametrize("recipe", [*SUPERVISED, *GANS], ids=lambda recipe: recipe.name)
def test_a_recipe_is_the_one_that_its_claim_measures(recipe: Recipe | GANRecipe) -> None:
    claim = CLAIMS[recipe.name]
    own = set() if recipe.data.drawn else {recipe.data.name}
    # The classifier of drawn digits is tested on MNIST too.
    assert set(claim.needs) == (own | {"mnist"} if recipe is classifier.DIGITS else own)
    measured = claim.measure.keywords  # of the partial function
    if "recipe" in measured:
        assert measured["recipe"] == recipe
    assert recipe.config_for(3).seed == 3


def test_a_reader_finds_deeplab_on_pets() -> None:
    recipe = recipes.SUPERVISED["deeplabv3plus", "pets"]
    assert recipe.network is segmentation.ARCHITECTURES["deeplabv3plus"]
    assert recipe.config is segmentation.PETS_CONFIG and recipe.data is segmentation.PETS
    assert all(r.config.epochs == 50 for (_, t), r in segmentation.COMPARED.items() if t == "pets")


def test_unet_on_streets_is_one_recipe_under_two_names() -> None:
    compared = segmentation.COMPARED["unet", "streets"]
    assert replace(compared, name="unet-streets") == segmentation.UNET_STREETS
    config = segmentation.UNET_STREETS.config
    assert (config.epochs, config.batch_size, config.lr, config.evaluate_every) == (24, 8, 3e-3, 2)


def test_every_number_of_images_gets_the_same_number_of_updates() -> None:
    for num, recipe in data_efficiency.RECIPES.items():
        updates = recipe.config.epochs * -(-num // recipe.config.batch_size)
        assert updates == data_efficiency.UPDATES
        assert recipe.config.epochs % recipe.config.evaluate_every == 0


def test_a_family_has_one_recipe_for_all_data_sets_and_one_that_is_longer() -> None:
    for family in generation.COMPARED:
        configs = {
            generation.RECIPES[family, task].config for task in ("mnist", "cifar10", "shapes")
        }
        assert len(configs) == 1
        (config,) = configs
        digits = generation.RECIPES[family, "digits"].config
        steps = config.steps * (generation.LONGER if family == "stylegan" else 1)
        assert digits == generation.at_length(config, steps)
        assert generation.at_length(generation.LONG[family].config, config.steps) == config
        assert config.sample_every == config.steps // generation.READINGS
    assert generation.STYLEGAN.config.penalty_weight == 5.0
    assert generation.WGAN_GP.config.lr == 1e-3


def test_the_games_on_the_ring_differ_in_loss_and_penalty_only() -> None:
    free = ("loss", "penalty", "penalty_weight", "critic_steps")
    usual = {name: getattr(PointsConfig(), name) for name in free}
    assert {replace(config, **usual) for config in ring.CONFIGS.values()} == {
        replace(ring.GAME, **usual)
    }


def test_the_weighted_loss_counts_the_pixels_of_its_training_set() -> None:
    train = replace(losses.STREETS, num_train=4).load("train")
    weighted = losses.config_for("weighted", train, seed=1)
    assert weighted.class_weights is not None and len(weighted.class_weights) == train.num_classes
    assert losses.config_for("dice", train, seed=1).class_weights is None


def test_a_network_is_built_for_its_images_and_by_its_seed() -> None:
    network = Network("U-Net", segmentation.UNET.model, {"widths": (4, 8), "weights": None})
    recipe = replace(segmentation.UNET_STREETS, network=network)
    assert recipe.arguments_for(picture_set(channels=1)) == {
        "num_classes": 4,
        "in_channels": 1,
        "widths": (4, 8),
        "weights": None,
    }
    recipe = replace(recipe, network=replace(network, arguments={"widths": (4, 8)}))
    first, again, other = (recipe.build(picture_set(), seed) for seed in (1, 1, 2))
    for key, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert not torch.equal(first.head.weight, other.head.weight)
    card = recipe.card(picture_set(name="streets"))
    assert card["size"] == (16, 24) and card["dataset"] == "streets" and len(card["classes"]) == 4


def test_a_checkpoint_does_not_ask_for_weights_of_its_own() -> None:
    network = replace(segmentation.UNET, arguments={"weights": "imagenet"})
    recipe = replace(segmentation.UNET_STREETS, network=network)
    assert "weights" not in recipe.card(picture_set())["arguments"]


@pytest.mark.parametrize("conditional", [False, True])
def test_both_players_are_built_for_the_images(conditional: bool) -> None:
    recipe = replace(generation.RECIPES["dcgan", "shapes"], conditional=conditional)
    generator, discriminator = recipe.build(picture_set(channels=1, size=(16, 32)), seed=0)
    labels = torch.tensor([0, 3]) if conditional else None
    images = generator(torch.randn(2, generator.latent_dim), labels)
    assert images.shape == (2, 1, 16, 32)
    assert discriminator(images, labels).shape == (2,)
    card = recipe.card(picture_set(channels=1, size=(16, 16)))
    assert card["arguments"]["size"] == 16 and card["condition"] == "plain"
    assert ("num_classes" in card["arguments"]) is conditional
    simple = replace(recipe, family=generation.SIMPLE_GAN)
    assert "size" not in simple.arguments_for(picture_set())[0]


@pytest.mark.parametrize("recipe", [*SUPERVISED, *GANS], ids=lambda recipe: recipe.name)
def test_a_run_of_seconds_is_small(recipe: Recipe | GANRecipe) -> None:
    assert all(num is not None and num <= 640 for num in recipe.smoke.numbers.values())
    assert recipe.smoke.name == recipe.data.name
    config = recipe.config_for(0, smoke=True)
    assert (config.epochs == 1) if isinstance(recipe, Recipe) else (config.steps == 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": 0}, "width is 0"),
        ({"width": -4}, "width is -4"),
        ({"widths": (8, 0)}, r"widths is \(8, 0\)"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"mixing": float("inf")}, "mixing is inf"),
    ],
)
def test_numbers_that_no_network_can_have_are_refused(arguments: dict, said: str) -> None:
    network = replace(segmentation.UNET, arguments=arguments)
    with pytest.raises(ValueError, match=said):
        replace(segmentation.UNET_STREETS, network=network)
    family: Family = replace(generation.DCGAN, opponent=arguments)
    with pytest.raises(ValueError, match=said):
        replace(generation.RECIPES["dcgan", "shapes"], family=family)
    fine = replace(segmentation.UNET, arguments={"skips": False, "dropout": 0.0, "rates": None})
    assert replace(segmentation.UNET_STREETS, network=fine).network is fine


def test_images_that_there_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"size": 0}, {"size": (16, -1)}, {"num_train": 0}, {"num_test": -3}):
        with pytest.raises(ValueError, match="wanted|at least 1"):
            DataSpec(name="streets", **wrong)
    monkeypatch.setattr("course_lib.recipes.recipe.memory_free", lambda: 1e6)
    with pytest.raises(ValueError, match="2000 scenes of 64x128 pixels do not fit into the 0.0 GB"):
        DataSpec(name="streets", size=(64, 128)).load("train")
    with pytest.raises(ValueError, match="do not fit"):
        DataSpec(name="shapes", num_val=10**30).load("val")


def test_scenes_are_drawn_whatever_the_folder_of_the_real_data(tmp_path) -> None:
    spec = DataSpec(name="shapes", size=16, num_train=2, num_val=3, num_test=4, condition="plain")
    assert [len(part) for part in spec.sets(tmp_path)] == [2, 3, 4]
    assert spec.load("train").fingerprint != replace(spec, scene_seed=1).load("train").fingerprint
    with pytest.raises(ValueError, match=str(tmp_path)):
        DataSpec(name="cifar10").sets(tmp_path)


def test_the_two_kinds_of_digits_differ_in_the_images_only() -> None:
    drawn, written = classifier.DIGITS, classifier.MNIST
    assert replace(written, name=drawn.name, data=drawn.data, smoke=drawn.smoke) == drawn
    assert (drawn.data.drawn, written.data.drawn) == (True, False)
    assert replace(written.data, name="digits") == drawn.data
