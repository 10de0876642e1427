"""Weights that a library fetches: checked, and read as weights, never as a program.

PyTorch's own loader checks a file's hash only while it downloads it, and unpickles whatever lies in
its cache under the right name.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import torch


def fetched_weights(url: str, path: str | Path | None = None) -> dict[str, Any]:
    """Return the weights that a file holds, fetched if it is not in PyTorch's cache.

    Args:
        url: its name ends in "-HASH.pth", where HASH begins the SHA-256 of its content.
        path: the file, if it is not where PyTorch would put it.

    Raises:
        OSError: if the file is not there and cannot be fetched (`urllib.error.URLError` is one).
        ValueError: if it is another file than the name says.
    """
    name = url.rsplit("/", 1)[-1]
    found = re.search(r"-([0-9a-f]{8,})\.pth$", name)
    if found is None:
        raise ValueError(f"{url} has no hash in its name to check the weights by.")
    file = Path(torch.hub.get_dir(), "checkpoints", name) if path is None else Path(path)
    try:
        if path is None and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=found[1])
        if not hashlib.sha256(file.read_bytes()).hexdigest().startswith(found[1]):
            raise ValueError(f"its SHA-256 does not begin with {found[1]}")
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # an unpickler fed with garbage raises anything
        raise ValueError(
            f"{file} does not hold the weights {name} ({error!r:.150}): it is "
            "damaged, or another file of that name. Delete it, and fetch it again."
        ) from error
