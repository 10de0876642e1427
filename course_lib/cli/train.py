"""The command ``course train``."""

import argparse
import os
from pathlib import Path
from typing import Any

from course_lib.cli.common import data_options, size_of

# Name on the command line: class, and the options of the command that its constructor knows.
MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "simple-cnn": ("SimpleCNN", ()),
    "unet": ("UNet", ("widths", "norm", "dropout")),
    "resnet-unet": ("ResNetUNet", ("encoder", "weights")),
    "fcn": ("FCN", ("backbone", "stride", "weights")),
    "dilated-fcn": ("DilatedFCN", ("backbone", "dropout", "weights")),
    "deeplabv3": ("DeepLabV3", ("backbone", "output_stride", "weights")),
    "deeplabv3plus": ("DeepLabV3Plus", ("backbone", "output_stride", "weights")),
}
MODEL_OPTIONS = tuple(sorted({option for _, known in MODELS.values() for option in known}))


def add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course train``."""
    train = commands.add_parser(
        "train",
        help="train a model; goes on exactly where it stopped when started again",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train.add_argument("model", choices=tuple(MODELS))
    data_options(train)
    train.add_argument("--out", type=Path, required=True, help="folder of the run")
    train.add_argument("--limit", type=int, metavar="N", help="use only so many training images")
    train.add_argument("--epochs", type=int, default=10)
    train.add_argument("--batch-size", type=int, default=16, help="images per process and step")
    train.add_argument("--lr", type=float, default=1e-3, help="(peak) learning rate")
    train.add_argument("--optimizer", default="adamw", help="adam, adamw or sgd")
    train.add_argument("--schedule", default="one-cycle", help="constant, one-cycle or cosine")
    train.add_argument("--weight-decay", type=float, default=0.01)
    train.add_argument("--ema", type=float, help="decay of the averaged weights")
    train.add_argument("--precision", default="no", help="no, bf16 or fp16")
    train.add_argument("--accumulate", type=int, default=1, help="micro-steps per update")
    train.add_argument("--clip-norm", type=float)
    train.add_argument("--channels-last", action="store_true")
    train.add_argument("--no-augment", action="store_true", help="do not flip the images")
    train.add_argument("--loss", default="cross-entropy", help="such as dice, or two joined by +")
    _model_options(train.add_argument_group("options of some models, with their own defaults"))
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--checkpoint-every", type=int, help="steps between two checkpoints")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    train.add_argument("--tensorboard", action="store_true")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(run=_train)


def _model_options(group: Any) -> None:
    """Add what some models take; an option that is not given stays unset."""
    unset = argparse.SUPPRESS
    group.add_argument("--widths", type=int, nargs="+", default=unset, help="of each level")
    group.add_argument("--norm", default=unset, help="batch, group or none")
    group.add_argument("--dropout", type=float, default=unset, help="share of what is dropped")
    group.add_argument("--backbone", default=unset, help="small, resnet18, mobilenet_v3_small, …")
    group.add_argument("--encoder", default=unset, help="the same for resnet-unet")
    group.add_argument("--stride", type=int, default=unset, help="of the finest scores: 32, 16, 8")
    group.add_argument("--output-stride", type=int, default=unset, help="of the pyramid: 16 or 8")
    group.add_argument("--weights", default=unset, help="imagenet: where the backbone starts from")


def _model_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the given options of the model.

    Raises:
        ValueError: for an option that this model does not know.
    """
    _, known = MODELS[args.model]
    given = {name: getattr(args, name) for name in MODEL_OPTIONS if hasattr(args, name)}
    for name in given:
        if name not in known:
            flags = ", ".join(f"--{option.replace('_', '-')}" for option in known) or "no such"
            raise ValueError(
                f"{args.model} has no --{name.replace('_', '-')}; it takes {flags}"
                + ("." if known else " options.")
            )
    return given


def _train(args: argparse.Namespace) -> int:
    import torch

    from course_lib import models
    from course_lib.data import Augment, load
    from course_lib.train import TrainConfig, save_checkpoint, train_supervised

    chosen = _model_arguments(args)

    config = TrainConfig(
        epochs=args.epochs,
        batch_size=args.batch_size,
        loss=args.loss,
        lr=args.lr,
        optimizer=args.optimizer,
        weight_decay=args.weight_decay,
        schedule=args.schedule,
        clip_norm=args.clip_norm,
        accumulate=args.accumulate,
        ema=args.ema,
        precision=args.precision,
        channels_last=args.channels_last,
        seed=args.seed,
        augment=None if args.no_augment else Augment(flip=True),
        checkpoint_every=args.checkpoint_every,
    )
    task = "classification" if args.model == "simple-cnn" else "semantic"
    size = size_of(args.size)
    train = load(args.data, "train", size=size, task=task, root=args.root, num=args.limit)
    val = load(args.data, "val", size=size, task=task, root=args.root)
    channels, classes = train.images.shape[1], train.classes
    arguments: dict[str, Any] = {"in_channels": channels, "num_classes": len(classes), **chosen}
    torch.manual_seed(args.seed)
    model: torch.nn.Module = getattr(models, MODELS[args.model][0])(**arguments)
    arguments.pop("weights", None)  # the checkpoint has its own
    history = train_supervised(
        model,
        train,
        val,
        config=config,
        out_dir=args.out,
        device=args.device,
        progress=not args.quiet,
        tensorboard=args.tensorboard,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        card = {
            "arguments": arguments,
            "classes": train.classes,
            "task": task,
            "size": tuple(train.images.shape[-2:]),
            "data": f"{args.data} {train.fingerprint}",
            "dataset": args.data,
        }
        path = save_checkpoint(args.out / "model.safetensors", model, card, half=False)
        best = history.best_epoch
        if best is not None:
            print(f"best epoch {best + 1}: {history.score} {history.best_score:.4f}")
        print(f"saved {path}")
    return 0
