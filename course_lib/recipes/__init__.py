"""Recipes: what is trained how. Each stands here once; command line, claims and labs read it.

`segmentation` holds the networks that are compared and their three data sets, `classifier` the
SimpleCNN, `objects` the detectors, `bottom_up` the other way to objects, `losses`,
`data_efficiency` and `sample_features` the smaller studies, `generation` the families of
generators, `generator_trials` how their longest trainings are chosen, `variational` the
generators by a code, `flow` those that follow a velocity, `ring` the games on points. To use one at
another scale, replace what differs, in view:

    recipe = recipes.segmentation.RECIPES["deeplabv3plus", "pets"]
    short = dataclasses.replace(recipe.config, epochs=5)
"""

from course_lib.recipes import (
    bottom_up,
    classifier,
    data_efficiency,
    flow,
    generation,
    generator_trials,
    losses,
    objects,
    ring,
    sample_features,
    segmentation,
    variational,
)
from course_lib.recipes.flow import FlowRecipe, LatentFlowRecipe
from course_lib.recipes.recipe import DataSpec, Family, GANRecipe, Network, Recipe
from course_lib.recipes.variational import CodeFamily, CodeRecipe

# What `course train`, `train-gan`, `train-code` and `train-flow` know: by the network's name, and
# by (name, data set).
NETWORKS: dict[str, Network] = {
    **segmentation.NETWORKS,
    **classifier.NETWORKS,
    **objects.NETWORKS,
}
SUPERVISED: dict[tuple[str, str], Recipe] = {
    **segmentation.RECIPES,
    **classifier.RECIPES,
    **objects.RECIPES,
}
FAMILIES: dict[str, Family] = generation.FAMILIES
GANS: dict[tuple[str, str], GANRecipe] = generation.RECIPES
CODE_FAMILIES: dict[str, CodeFamily] = variational.FAMILIES
CODES: dict[tuple[str, str], CodeRecipe] = variational.RECIPES
FLOW_KINDS: dict[str, str] = flow.KINDS  # name, title
FLOWS: dict[tuple[str, str], FlowRecipe] = flow.RECIPES

__all__ = [
    "CODES",
    "CODE_FAMILIES",
    "FAMILIES",
    "FLOWS",
    "FLOW_KINDS",
    "GANS",
    "NETWORKS",
    "SUPERVISED",
    "CodeFamily",
    "CodeRecipe",
    "DataSpec",
    "Family",
    "FlowRecipe",
    "GANRecipe",
    "LatentFlowRecipe",
    "Network",
    "Recipe",
    "bottom_up",
    "classifier",
    "data_efficiency",
    "flow",
    "generation",
    "generator_trials",
    "losses",
    "objects",
    "ring",
    "sample_features",
    "segmentation",
    "variational",
]
