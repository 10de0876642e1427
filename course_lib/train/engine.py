"""What every training loop needs and no lesson is about: devices, precision, processes, stopping.

A thin layer over Hugging Face Accelerate. A loop stays a loop::

    engine = Engine(device="auto", precision="bf16")
    with engine.prepared(model, optimizer) as (model, (optimizer,)):
        for step, (images, targets) in enumerate(batches):
            engine.seed_step(seed, epoch, step)
            with engine.autocast():
                loss = loss_function(model(images), targets)
            engine.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

The same lines run on a CPU, on one GPU, and in several processes under ``torchrun``.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from course_lib.data.augment import stream_seed
from course_lib.train.files import one_line
from course_lib.train.precision import precision_on

WAIT = 60  # seconds for which the processes of a run wait for each other at the start
ANNOUNCING = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "PMI_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Engine:
    """One process's share of a training run.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda" or a `torch.device`.
        precision: "no", "bf16" or "fp16"; "bf16" is float32 where the hardware has no bfloat16
            (`precision_on`).
        clip_norm: largest norm of the gradient, or ``None``.

    Raises:
        ValueError: for a device or precision that is not to be had, or where the environment
            announces several processes that do not come.
    """

    def __init__(
        self,
        *,
        device: str | torch.device | None = "auto",
        precision: str = "no",
        clip_norm: float | None = None,
    ) -> None:
        where = pick_device(device)
        cpu = where.type == "cpu"
        if precision == "fp16" and cpu:
            raise ValueError('precision "fp16" needs a GPU; on a CPU use "bf16" or "no".')
        precision = precision_on(where, precision)
        # Accelerate keeps one global state; a second run in the same notebook may want another.
        state = AcceleratorState._shared_state
        if state and (state.get("_mixed_precision") != precision or bool(state.get("_cpu")) != cpu):
            AcceleratorState._reset_state(reset_partial_state=True)
        if where.type == "cuda" and where.index is not None and "LOCAL_RANK" not in os.environ:
            torch.cuda.set_device(where)  # Accelerate takes the current one
        announced = [f"{name}={os.environ[name]}" for name in ANNOUNCING if name in os.environ]
        try:
            _meet(cpu)
            self.accelerator = Accelerator(mixed_precision=precision, cpu=cpu)
        except (ValueError, RuntimeError) as error:
            AcceleratorState._reset_state(reset_partial_state=True)
            if not announced:
                raise
            raise ValueError(
                f"{', '.join(announced)} in the environment announce several processes, which did "
                f"not meet within {WAIT} s ({one_line(error)}). Start them together "
                "with torchrun; or unset these variables, to train in one process."
            ) from error
        self.clip_norm = clip_norm
        self._stop = False

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.accelerator.device

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self.accelerator.process_index

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.accelerator.is_main_process

    @property
    def scaler(self) -> Any:
        """The loss scaler of fp16; ``None`` for the other precisions."""
        return self.accelerator.scaler

    def place(self, model: nn.Module, *, channels_last: bool) -> None:
        """Move a model to where this process computes; all processes get the main one's weights."""
        model.to(self.device)
        self.broadcast(model)
        if channels_last:
            model.to(memory_format=torch.channels_last)

    @contextlib.contextmanager
    def prepared(
        self, model: nn.Module, *optimizers: torch.optim.Optimizer
    ) -> Iterator[tuple[nn.Module, list[Any]]]:
        """Give the model and optimisers, ready for precision and processes, inside this context.

        Accelerate puts a `forward` in the training's precision on the model itself. It is taken
        off at the end: what was trained in bfloat16 is asked in float32, as its checkpoint is.
        """
        own = vars(model).get("forward")
        prepared = self.accelerator.prepare(model, *optimizers)
        try:
            yield (prepared[0], list(prepared[1:])) if optimizers else (prepared, [])
        finally:
            for name in ("forward", "_original_forward"):
                vars(model).pop(name, None)
            if own is not None:
                model.forward = own

    def seed_step(self, seed: int, epoch: int, step: int) -> None:
        """Make dropout and other noise a pure function of (seed, epoch, step, rank).

        A resumed run then needs no stored random state to go on exactly.
        """
        seed_noise(stream_seed(seed, epoch, step, self.rank), self.device)

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Compute in the chosen precision inside this context."""
        return self.accelerator.autocast()

    def micro_step(
        self, model: nn.Module, *, update: bool
    ) -> contextlib.AbstractContextManager[None]:
        """Skip the exchange of gradients between processes unless an update follows."""
        return contextlib.nullcontext() if update else self.accelerator.no_sync(model)

    def backward(
        self, loss: Tensor, *, only: Sequence[Tensor] | None = None, again: bool = False
    ) -> None:
        """Back-propagate, with loss scaling where the precision needs it.

        Args:
            loss: scalar.
            only: the weights that get a gradient; ``None``: all that the loss depends on.
            again: whether another loss goes back through the same computation afterwards.
        """
        self.accelerator.backward(loss, inputs=only, retain_graph=again)

    def clip(self, model: nn.Module) -> None:
        """Limit the gradient's norm, if a limit was set."""
        if self.clip_norm is not None:
            self.accelerator.clip_grad_norm_(model.parameters(), self.clip_norm)

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        return self.accelerator.reduce(value, reduction="sum") if self.world_size > 1 else value

    def prepare_optimizers(self, *optimizers: torch.optim.Optimizer) -> list[Any]:
        """Return optimisers ready for precision; for loops that average gradients themselves."""
        return [self.accelerator.prepare(optimizer) for optimizer in optimizers]

    def average_gradients(self, model: nn.Module) -> None:
        """Give every process the mean gradient of all, in one message.

        For loops in which a network is run several times, or differentiated twice, before one
        update: there a wrapper that exchanges gradients during `backward` would do so too early.
        """
        if self.world_size == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.world_size
        parts = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(
            gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)]
        )

    def broadcast(self, model: nn.Module) -> None:
        """Give every process the main one's weights and buffers."""
        if self.world_size > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                torch.distributed.broadcast(tensor.data, src=0)

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give every process the main one's buffers (BatchNorm's statistics differ by process)."""
        if self.world_size > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Let the processes meet."""
        self.accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Turn the first Ctrl-C into a request that the loop honours between two steps.

        A second one interrupts at once. Outside the main thread signals stay as they are.
        """
        self._stop = False
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def request(_signum: int, _frame: FrameType | None) -> None:
            if self._stop:
                raise KeyboardInterrupt(
                    "Interrupted at once; what came after the last checkpoint is lost."
                )
            self._stop = True

        previous = signal.signal(signal.SIGINT, request)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def stop_requested(self, *, meet: bool) -> bool:
        """Tell whether Ctrl-C was pressed; several processes agree on it only where they meet."""
        if self.world_size == 1:
            return self._stop
        if not meet:
            return False
        flag = torch.tensor(float(self._stop), device=self.device)
        return bool(self.sum(flag) > 0)


def _meet(cpu: bool) -> None:
    """Let the processes that the environment announces find each other, if there are several.

    Accelerate would do so too, but waits for half an hour.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1 and (cpu or "LOCAL_RANK" in os.environ)
    if several and not torch.distributed.is_initialized():
        wait = timedelta(seconds=WAIT)
        store, rank, world_size = next(torch.distributed.rendezvous("env://", timeout=wait))
        torch.distributed.init_process_group(
            "gloo" if cpu else "nccl", store=store, rank=rank, world_size=world_size
        )


def seed_noise(number: int, device: torch.device) -> None:
    """Seed the CPU's random numbers and those of the device in use, and no others.

    `torch.manual_seed` would seed every backend, and queue a call with a stack trace for a GPU that
    is not in use: half a millisecond and some memory in each step.
    """
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def pick_device(device: str | torch.device | None = "auto") -> torch.device:
    """Return the device a name stands for; "auto" (or ``None``) is a GPU if there is one.

    Raises:
        ValueError: for a device that is not here, or a name that is no device.
    """
    name = str(device or "auto")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        wanted = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'device is {name!r}; use "auto", "cpu" or "cuda".') from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f'device is {name!r}, but PyTorch sees no GPU here; use device="auto" or "cpu".'
        )
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = one_line(error).split(". ")[0]
        raise ValueError(
            f'device is {name!r}, which cannot be used here ({reason}); use "auto" or "cpu".'
        ) from error
    return wanted
