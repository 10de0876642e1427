"""Sheets that a training by a likelihood leaves in its folder: reconstructions, or samples."""

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from course_lib.models import CVAE, CodeGenerator
from course_lib.models.modes import eval_mode
from course_lib.train.files import whole
from course_lib.train.run import Run
from course_lib.train.samples import draw_samples
from course_lib.train.steps import Steps

SHEET = 32  # pictures


@torch.no_grad()
def write_pairs(model: nn.Module, images: Tensor, labels: Tensor, run: Run, at: Steps) -> None:
    """Write images of the batch with their reconstructions below; of a prior its samples."""
    if run.out_dir is None or not run.engine.is_main:
        return
    columns = 8
    with eval_mode(model):
        if isinstance(model, CodeGenerator):
            sheet = draw_samples(model, SHEET).float() / 255
        else:
            columns = min(8, len(images))
            shown = min(SHEET, len(images)) // columns * columns  # whole rows, or pairs part
            some, told = images[:shown], labels[:shown]
            again = (
                model.reconstruct(some, told)
                if isinstance(model, CVAE)
                else model.reconstruct(some)  # type: ignore[operator]
            )
            rows = zip(some.split(columns), again.float().split(columns), strict=True)
            sheet = (torch.cat([part for pair in rows for part in pair]) + 1) / 2
    with whole(run.out_dir / "samples" / f"step-{at.step:07d}.png") as file:
        save_image(sheet, file, format="png", nrow=columns)
