"""A new network touches three files: its own, the table of models, and the list of networks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "course_lib"
TOY = '''
from torch import Tensor, nn


class Toy(nn.Module):
    """One convolution.

    Args:
        in_channels: of the image.
        num_classes: number of labels.
        reach: side of the window.
    """

    def __init__(self, *, in_channels: int = 3, num_classes: int = 2, reach: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, reach, padding=reach // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
'''
IMPORT = "from course_lib.models.toy import Toy\n"


def test_a_new_network_is_trained_and_judged_after_touching_three_files(tmp_path: Path) -> None:
    shutil.copytree(
        PACKAGE,
        tmp_path / "course_lib",
        ignore=shutil.ignore_patterns("checkpoints", "__pycache__"),
    )
    models, recipes = tmp_path / "course_lib" / "models", tmp_path / "course_lib" / "recipes"
    (tmp_path / "course_lib" / "checkpoints").mkdir()
    (models / "toy.py").write_text(TOY)
    (table,) = (
        path
        for path in (models / "__init__.py", models.parent / "train" / "checkpoint.py")
        if "MODELS: dict" in path.read_text(encoding="utf-8")
    )
    table.write_text(f'{table.read_text(encoding="utf-8")}\n{IMPORT}MODELS["Toy"] = Toy\n')
    listed = recipes / "segmentation.py"
    text = listed.read_text(encoding="utf-8")
    text = text.replace(
        "NETWORKS = ARCHITECTURES | {\n",
        f'{IMPORT}NETWORKS = ARCHITECTURES | {{\n    "toy": Network("Toy", Toy, {{}}),\n',
    )
    listed.write_text(text)

    run = tmp_path / "run"
    train = ["train", "toy", "--data", "streets", "--size", "16", "--limit", "4", "--num-val", "2"]
    train += ["--epochs", "1", "--batch-size", "2", "--reach", "5", "--quiet", "--out", str(run)]
    judge = ["evaluate", str(run / "model.safetensors"), "--data", "streets", "--limit", "2"]
    code = (
        f"from course_lib.cli import main\nmain({train})\nmain({[*judge, '--json']})\n"
        "try: main(['train', 'toy', '--data', 'streets', '--help'])\nexcept SystemExit: pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "recipe: compare-streets-fcn, the nearest" in done.stdout
    assert "side of the window. (default: 3)" in done.stdout
    record = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    assert json.loads(record)["num_images"] == 2
