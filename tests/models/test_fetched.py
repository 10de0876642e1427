"""Weights that a library fetches are checked by the hash in their name, and never executed."""

import hashlib
import os
import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from course_lib.models.fetched import fetched_weights


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of PyTorch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def url_of(content: bytes) -> str:
    return f"https://example.org/net-{hashlib.sha256(content).hexdigest()[:8]}.pth"


def weights(path: Path) -> bytes:
    torch.save({"w": torch.arange(3)}, path)
    return path.read_bytes()


def test_weights_in_the_cache_are_taken_if_the_hash_is_right(cache: Path, tmp_path: Path) -> None:
    content = weights(tmp_path / "made.pth")
    url = url_of(content)
    (cache / url.rsplit("/", 1)[-1]).write_bytes(content)
    assert fetched_weights(url)["w"].tolist() == [0, 1, 2]
    assert fetched_weights(url, tmp_path / "made.pth")["w"].tolist() == [0, 1, 2]
    torch.save({"w": torch.zeros(3)}, cache / url.rsplit("/", 1)[-1])
    with pytest.raises(ValueError, match="does not hold the weights net-.*Delete it"):
        fetched_weights(url)
    with pytest.raises(ValueError, match="no hash in its name"):
        fetched_weights("https://example.org/net.pth")


@pytest.mark.parametrize("right_hash", [False, True])
def test_a_hostile_file_in_the_cache_is_not_executed(
    cache: Path, tmp_path: Path, right_hash: bool
) -> None:
    content = pickle.dumps(Hostile(tmp_path / "executed"))
    url = url_of(content if right_hash else b"other")
    (cache / url.rsplit("/", 1)[-1]).write_bytes(content)
    with pytest.raises(ValueError, match="does not hold the weights"):
        fetched_weights(url)
    assert not (tmp_path / "executed").exists()


def test_they_are_fetched_once_and_checked(cache: Path, tmp_path: Path, monkeypatch) -> None:
    content, asked = weights(tmp_path / "made.pth"), []

    def download(url: str, path: str, hash_prefix: str) -> None:
        asked.append(hash_prefix)
        Path(path).write_bytes(content)

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    for _ in range(2):
        assert fetched_weights(url_of(content))["w"].tolist() == [0, 1, 2]
    assert asked == [hashlib.sha256(content).hexdigest()[:8]]

    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(OSError, match="no route"):
        fetched_weights(url_of(b"another"))
