"""Everything an adversarial run must remember to go on exactly: both players and the record."""

import copy
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from course_lib.data import ImageSet
from course_lib.ops.discriminator_augment import DiscriminatorAugment
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.gan_config import GANConfig
from course_lib.train.gan_history import GANHistory
from course_lib.train.resume import check_same, load_scaler, read_state, scaler_state, settings
from course_lib.train.samples import draw_samples

READ = (
    "discriminator_loss",
    "generator_loss",
    "real_score",
    "fake_score",
    "told_apart",
    "diversity",
)
SHEET = 64  # samples on a sheet


class GANRun:
    """The state of one adversarial run, saved and resumed as one.

    Order, augmentation and noise are pure functions of (seed, step, rank), so no random state is
    part of it.
    """

    def __init__(
        self,
        engine: Engine,
        generator: nn.Module,
        discriminator: nn.Module,
        optimizers: dict[str, torch.optim.Optimizer],
        config: GANConfig,
        train_set: ImageSet,
        out_dir: str | Path | None,
    ) -> None:
        self.engine, self.config, self.optimizers = engine, config, optimizers
        self.generator, self.discriminator = generator, discriminator
        self.images_per_step = config.batch_size * engine.world_size * config.critic_steps
        self.ema: EMA | None = None
        if config.ema_images is not None:
            self.ema = EMA(generator, 0.5 ** (self.images_per_step / config.ema_images))
        self.augment: DiscriminatorAugment | None = None
        if config.ada_target is not None:
            self.augment = DiscriminatorAugment(target=config.ada_target).to(engine.device)
        self.path_length = torch.zeros((), device=engine.device)  # its moving average
        self.out_dir = Path(out_dir) if out_dir is not None else None
        self.data = f"{train_set.name}/{train_set.split} {train_set.fingerprint}"
        self.step = 0  # updates of the generator
        self.seconds = 0.0
        self.history = GANHistory()
        # What is read every log_every steps stays on the device until then.
        self.readings = torch.zeros(config.log_every, len(READ), device=engine.device)
        self.since = 0  # rows of `readings` in use

    def note(self, *values: Tensor) -> None:
        """Keep this step's numbers, in the order of `READ`, without waiting for the device."""
        self.readings[self.since] = torch.stack([v.detach().float() for v in values])
        self.since += 1

    def read(self, evaluate: Callable[[], dict[str, float]] | None = None) -> dict[str, Any]:
        """Write down the mean of what was noted since the last reading; watch for trouble.

        Args:
            evaluate: called for scores, which join the record.

        Raises:
            FloatingPointError: if a loss or a weight is NaN or infinite, naming the step.
            ValueError: for scores with names that the record uses itself.
        """
        rows = self._finite_rows()
        self.since = 0
        record: dict[str, Any] = {"step": self.step, "images": self.step * self.images_per_step}
        record |= dict(zip(READ, rows.mean(dim=0).tolist(), strict=True))
        if self.augment is not None:
            record["augmentation"] = float(self.augment.p)
        record["seconds"] = round(self.seconds, 2)
        scores = evaluate() if evaluate is not None else {}
        taken = sorted(record.keys() & scores.keys())
        if taken:
            raise ValueError(
                f"evaluate returned scores called {', '.join(taken)}, which the record holds "
                "already; give them other names."
            )
        record |= scores
        self.history.steps.append(record)
        self.history.look_for_trouble(self.config.loss)
        return record

    def _finite_rows(self) -> Tensor:
        """Return what was noted since the last reading, a mean over the processes.

        Both losses of a step are computed before the generator's update, so they cannot tell
        whether that went well: the weights are looked at, too.
        """
        rows = self.engine.sum(self.readings[: self.since]).cpu() / self.engine.world_size
        bad = (~rows[:, :2].isfinite().all(dim=1)).nonzero()
        if len(bad):
            step = self.step - len(rows) + int(bad[0]) + 1
            loss, other = rows[int(bad[0]), :2].tolist()
            found = f"At step {step} of {self.config.steps} the losses are {loss} (discriminator) "
            raise self._diverged(found + f"and {other} (generator).")
        for name, player in (("discriminator", self.discriminator), ("generator", self.generator)):
            if not _finite(player):
                raise self._diverged(
                    f"After step {self.step} of {self.config.steps} the {name}'s weights hold NaN "
                    "or infinite values."
                )
        return rows

    def _diverged(self, found: str) -> FloatingPointError:
        return FloatingPointError(
            f"{found} The learning rate {self.config.lr:.3g} may be too high, or a penalty is "
            'missing: try lr=2e-4, and penalty="r1". '
            + ('Try precision="bf16". ' if self.config.precision == "fp16" else "")
            + "The last checkpoint is from before that."
        )

    def candidate(self) -> nn.Module:
        """Return the generator that is judged and kept: the average, if there is one."""
        return self.ema.model if self.ema is not None else self.generator

    def write_sheet(self) -> None:
        """Write the first samples of a fixed seed, eight in a row."""
        if self.out_dir is not None and self.engine.is_main:
            samples = draw_samples(self.candidate(), SHEET, seed=self.config.seed)
            folder = self.out_dir / "samples"
            folder.mkdir(parents=True, exist_ok=True)
            save_image(samples.float() / 255, folder / f"step-{self.step:07d}.png", nrow=8)

    def finish(self) -> None:
        """Leave the kept weights in the generator, the same in all processes; both in eval mode."""
        self.generator.load_state_dict(copy.deepcopy(self.candidate().state_dict()))
        for player in (self.generator, self.discriminator):
            self.engine.broadcast(player)
            player.eval()

    def save(self) -> None:
        """Write the checkpoint and the record; never one whose losses or weights are not finite."""
        if self.out_dir is None:
            return
        if self.since:
            self._finite_rows()
        state = {
            "config": self.config.as_dict(),
            "data": self.data,
            "world_size": self.engine.world_size,
            "step": self.step,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "settings": self._settings(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "augment": self.augment.state_dict() if self.augment is not None else None,
            "path_length": self.path_length,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "scaler": scaler_state(self.engine),
            "readings": self.readings[: self.since],
            "history": vars(self.history),
            "versions": {"torch": str(torch.__version__), "python": platform.python_version()},
        }
        self.engine.save(state, self.out_dir / "checkpoint.pt")
        if self.engine.is_main:
            self.history.save(self.out_dir / "history.json")

    def resume(self) -> None:
        """Take over a checkpoint in ``out_dir``, if there is one.

        Raises:
            ValueError: if it belongs to another configuration, data set or number of processes, or
                cannot be read.
        """
        found = read_state(self.out_dir)
        if found is None:
            return
        path, state = found
        self._check_same(path, state)
        if state["step"] > self.config.steps:
            raise ValueError(
                f"{path} has already made {state['step']} steps, and {self.config.steps} are asked "
                "for. Ask for at least as many, choose another out_dir, or delete that one."
            )
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self.augment is not None:
            self.augment.load_state_dict(state["augment"])
        self.path_length = state["path_length"].to(self.engine.device)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        load_scaler(self.engine, state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        # What was noted since the last reading; or, as log_every may be another now, since the last
        # one that would have been due.
        kept = state["readings"]
        self.since = min(len(kept), self.step % len(self.readings))
        self.readings[: self.since] = kept[len(kept) - self.since :]
        self.history = GANHistory(**state["history"])

    def _check_same(self, path: Path, state: dict[str, Any]) -> None:
        if "generator" not in state:
            raise ValueError(f"{path} is no checkpoint of an adversarial run; choose another.")
        different = self.config.differences(state["config"])
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            if _shapes(state[name]) != _shapes(player.state_dict()):
                different.append(f"the {name}'s layers")
        stored = state.get("settings", {})
        different += [
            f"{name} ({stored[name]} there, {mine} here)"
            for name, mine in self._settings().items()
            if stored.get(name, mine) != mine
        ]
        same = {"data": self.data, "world_size": self.engine.world_size}
        check_same(path, state, different, same)

    def _settings(self) -> dict[str, Any]:
        return settings(self.generator, "generator") | settings(self.discriminator, "discriminator")


def _finite(model: nn.Module) -> bool:
    """Tell whether all weights are finite, waiting for the device once."""
    weights = [t for t in model.state_dict().values() if t.is_floating_point()]
    return not weights or bool(torch.stack([t.isfinite().all() for t in weights]).all())


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
