"""The features of Inception-v3 in which the standard FID and KID are defined.

They need the package torch-fidelity (``pip install "course_lib[fid]"``) and its file of weights,
about 96 MB, which it fetches once. The resizing and the weights are part of the definition: other
ports of Inception-v3 give other numbers.
"""

import io
from pathlib import Path

import torch
from torch import Tensor

from course_lib.models.fetched import fetched_weights
from course_lib.train.engine import pick_device


@torch.no_grad()
def inception_features(
    images: Tensor,
    *,
    weights: str | Path | None = None,
    batch_size: int = 50,
    device: str | torch.device | None = None,
) -> Tensor:
    """Return the 2,048 features of each image, (N, 2048) float32, on the CPU.

    ``frechet_distance`` of two such sets is the FID, ``kernel_distance`` the KID. FIDs are
    customarily computed from 50,000 samples.

    Args:
        images: (N, 1 or 3, H, W) uint8; they are resized to 299x299 as the definition says.
        weights: the file of weights; ``None``: fetch it, or use what was fetched before.
        batch_size: images at a time.
        device: where to compute; ``None`` or "auto": a GPU if there is one.

    Raises:
        ValueError: for images that are not uint8, or not grey or colour, or other weights.
        ImportError: where torch-fidelity is not installed.
        FileNotFoundError: where the weights are not there and cannot be fetched.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"got images of {images.dtype} and shape {tuple(images.shape)}; wanted uint8 "
            "(N, 1 or 3, H, W)."
        )
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import (
            URL_INCEPTION_V3,
            FeatureExtractorInceptionV3,
        )
    except ImportError as error:
        raise ImportError(
            "The Inception features need torch-fidelity: pip install torch-fidelity. Without it, "
            "compare generators by CFD (`sample_scores`)."
        ) from error
    try:
        # The package would unpickle whatever the file holds: it gets checked weights, packed anew.
        packed = io.BytesIO()
        torch.save(fetched_weights(URL_INCEPTION_V3, weights), packed)
        packed.seek(0)
        net = FeatureExtractorInceptionV3(
            "inception", ["2048"], feature_extractor_weights_path=packed
        )
    except OSError as error:  # URLError is one
        raise FileNotFoundError(
            f"The Inception weights are not here and could not be fetched ({error}). On a machine "
            f"with a network fetch {URL_INCEPTION_V3}, and pass weights=PATH. Without them, "
            "compare generators by CFD (`sample_scores`), which is no FID."
        ) from error
    where = pick_device(device)
    net.to(where)
    colour = images.expand(-1, 3, -1, -1)
    return torch.cat([net(batch.to(where))[0].cpu() for batch in colour.split(batch_size)])
