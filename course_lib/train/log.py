"""What a training shows while it runs: the progress bar and TensorBoard's curves."""

import os
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib.train.run import Run


class Log:
    """A bar of steps, and curves; neither touches what is computed.

    Args:
        run: that is shown, by its main process.
        bar: whether a bar is drawn; ``COURSE_PROGRESS=0`` turns all of them off.
        curves: whether TensorBoard gets curves.
    """

    def __init__(self, run: Run, *, bar: bool, curves: bool = False) -> None:
        hidden = not bar or not run.engine.is_main or os.environ.get("COURSE_PROGRESS") == "0"
        total, done = run.progress.total, run.progress.done
        self.bar = tqdm(total=total, initial=done, disable=hidden, unit="step", leave=False)
        self.writer = _writer(run.out_dir) if curves and run.engine.is_main else None

    def __enter__(self) -> "Log":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bar and the curves."""
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def advance(self) -> None:
        """Count a step."""
        self.bar.update()

    def show(self, text: str, numbers: dict[str, float], place: int) -> None:
        """Show a text beside the bar, and add numbers to the curves at a place."""
        self.bar.set_postfix_str(text, refresh=False)
        if self.writer is not None:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, place)


def _writer(out_dir: Path | None) -> Any:
    if out_dir is None:
        raise ValueError("tensorboard=True needs an out_dir to write into.")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard is not installed: pip install tensorboard, or tensorboard=False."
        ) from error
    return SummaryWriter(out_dir / "tensorboard")
