"""The list of claims: everything the book says with a measured number."""

from course_lib.results.claim import Claim
from course_lib.results.claims import (
    bottom_up,
    classifier,
    compute,
    controls,
    counting,
    data_efficiency,
    digits,
    flow,
    flow_gap,
    flow_guidance,
    foundation,
    gan_compute,
    generation,
    generator_trials,
    inversion,
    losses,
    named,
    objects,
    ranking,
    ring,
    ring_film,
    sample_features,
    sample_metrics,
    segmentation,
    unet,
    variational,
)

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for part in (
        classifier,
        unet,
        segmentation,
        controls,
        ranking,
        data_efficiency,
        losses,
        objects,
        bottom_up,
        counting,
        compute,
        foundation,
        sample_features,
        sample_metrics,
        generation,
        generator_trials,
        gan_compute,
        digits,
        named,
        ring,
        ring_film,
        variational,
        flow,
        flow_gap,
        flow_guidance,
        inversion,
    )
    for claim in part.CLAIMS
}
