"""Small data sets in the layouts of the real ones in a temporary folder, and a server for them."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_lib.data.real.base import Archive


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


class Build:
    """Writes images and masks below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = np.random.default_rng(0)

    def image(self, path: str, size=(9, 12), *, value: int | None = None, mode="RGB") -> Path:
        shape = (*size, 3) if mode == "RGB" else size
        pixels = self.random.integers(0, 256, shape) if value is None else np.full(shape, value)
        return self.save(path, pixels.astype(np.uint8))

    def mask(self, path: str, size=(9, 12), labels=(0, 1)) -> Path:
        return self.save(path, self.random.choice(labels, size).astype(np.uint8))

    def save(self, path: str, pixels: np.ndarray) -> Path:
        where = self.folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(where)
        return where

    def text(self, path: str, *lines: str) -> None:
        where = self.folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text("".join(line + "\n" for line in lines))

    def classes(self, path: str, names, count: int, *, suffix=".png", mode="RGB", size=(8, 8)):
        for number, name in enumerate(names):
            for row in range(count):
                value = (number * 20 + row) % 256
                self.image(f"{path}/{name}/{row}{suffix}", size, value=value, mode=mode)

    def pets(self, train: list[str], test: list[str], *, at: str = "pets", size=(20, 30)) -> Path:
        """The published layout; the ids in the lists are deliberately strange."""
        for key in train + test:
            self.image(f"{at}/images/{key}.jpg", size)
            self.mask(f"{at}/annotations/trimaps/{key}.png", size, (1, 2, 3))
            self.text(f"{at}/annotations/trimaps/._{key}.png", "not an image")
        self.text(
            f"{at}/annotations/trainval.txt", "#Image CLASS-ID", *(f"{k} 99 7 3" for k in train)
        )
        self.text(f"{at}/annotations/test.txt", *(f"{k} 99 7 3" for k in test))
        return self.folder / at

    def folders(self, at: str, count: int = 3, *, size=(9, 12), labels=(0, 1)) -> Path:
        for row in range(count):
            self.image(f"{at}/images/{row}.jpg", size)
            self.mask(f"{at}/masks/{row}.png", size, labels)
        return self.folder / at

    def mnist(self, at: str, train: int = 24, test: int = 6) -> Path:
        """The files of MNIST; image number i is filled with i."""
        raw = self.folder / at
        raw.mkdir(parents=True, exist_ok=True)
        for part, count in (("train", train), ("t10k", test)):
            images = np.arange(count, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
            labels = (np.arange(count) * 7 % 10).astype(np.uint8)
            head = struct.pack(">4i", 2051, count, 28, 28)
            (raw / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
            head = struct.pack(">2i", 2049, count)
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
        return self.folder


@pytest.fixture(autouse=True)
def no_data_of_this_machine(request, monkeypatch):
    """Only tests that ask for the real data see COURSE_DATA."""
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("COURSE_DATA", raising=False)


@pytest.fixture
def own_folder(tmp_path, monkeypatch) -> Path:
    """A cache folder for one test."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Server:
    """A server that can misbehave: `plan` holds what to do with the next requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.plan: list[str] = []
        self.log: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, asked = request.path[1:], request.headers.get("Range")
        self.log.append((name, asked))
        action = self.plan.pop(0) if self.plan else "whole"
        content = self.files.get(name)
        if content is None or action == "missing":
            request.send_error(404)
            return
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked and action != "again" else 0
        request.send_response(206 if first else 200)
        request.send_header("Content-Length", str(len(content) - first))
        request.end_headers()
        body = content[first:]
        if action == "cut":
            body = body[: len(body) // 2]
        elif action == "wrong":
            body = bytes(len(body))
        elif action == "drip":
            for start in range(0, 2000, 2):
                request.wfile.write(body[start : start + 2])
                request.wfile.flush()
                time.sleep(0.05)
        elif action == "slow":
            request.wfile.write(body[:10])
            request.wfile.flush()
            time.sleep(30)
        request.wfile.write(body)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def archive(self, name: str, content: bytes, into: str = ".") -> Archive:
        self.files[name] = content
        md5 = hashlib.md5(content).hexdigest()
        return Archive((self.url(name),), name, md5, into)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()
