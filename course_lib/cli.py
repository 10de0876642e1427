"""The command ``course``: data, training, evaluation and results from a terminal."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib import __version__
from course_lib.cli_generation import add_sample, add_train_gan

EXAMPLES = """\
examples:
  course data list
  course data fetch pets --root data
  course train unet --data streets --size 96 128 --epochs 5 --out runs/streets
  course evaluate unet-pets --data pets --root data --split test --json
  course train-gan dcgan --data shapes --condition plain --out runs/dcgan
  course sample dcgan-mnist --out sheet.png
  course results run --missing --device auto
"""


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    What a user can mend is one line on standard error and status 2; Ctrl-C is status 130.
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as interruption:
        print(f"\ncourse: {interruption or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has closed; nothing is left to be said to anyone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, FileNotFoundError, NotADirectoryError, PermissionError, ImportError) as e:
        print(f"course: {e}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"course: {error.args[0]}", file=sys.stderr)
        return 2
    except (FloatingPointError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course",
        description="Segment and Generate: data, training, evaluation and results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"course {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data(commands)
    _add_train(commands)
    _add_evaluate(commands)
    add_train_gan(commands)
    add_sample(commands)
    _add_results(commands)
    return parser


# ---------------------------------------------------------------------------------------- data


def _add_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    data = commands.add_parser("data", help="list, fetch and verify data sets")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the data sets, and which can be read here")
    _root(listing)
    listing.set_defaults(run=_data_list)
    fetch = actions.add_parser("fetch", help="download a data set, with progress and checksum")
    fetch.add_argument("name")
    _root(fetch)
    fetch.set_defaults(run=_data_fetch)
    verify = actions.add_parser("verify", help="check that a data set is whole and readable")
    verify.add_argument("name")
    _root(verify)
    verify.set_defaults(run=_data_verify)


def _data_list(args: argparse.Namespace) -> int:
    from course_lib.data import available
    from course_lib.data.names import CARDS

    for card in CARDS.values():
        here = "here" if available(card.name, args.root) else "-"
        print(f"{card.name:15s} {here:5s} {card.purpose}")
    return 0


def _data_fetch(args: argparse.Namespace) -> int:
    from course_lib.data import fetch

    print(f"{args.name} is in {fetch(args.name, args.root)}")
    return 0


def _data_verify(args: argparse.Namespace) -> int:
    from course_lib.data import verify

    problems = verify(args.name, args.root)
    for problem in problems:
        print(f"course: {problem}", file=sys.stderr)
    if not problems:
        print(f"{args.name} is whole")
    return 1 if problems else 0


# ------------------------------------------------------------------------------- train, evaluate


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = commands.add_parser(
        "train",
        help="train a model; goes on exactly where it stopped when started again",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train.add_argument("model", choices=tuple(MODELS))
    _data_options(train)
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
    size = _size(args.size)
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


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="judge a checkpoint on a data set",
        description="Judge a checkpoint, shipped or your own, on any split of any data set, also "
        "one it has never seen. With --json the last line is one JSON object.",
    )
    evaluate.add_argument("checkpoint", help="name of a shipped checkpoint, or a .safetensors file")
    _data_options(evaluate)
    evaluate.add_argument("--split", default="test", choices=("train", "val", "test"))
    evaluate.add_argument("--limit", type=int, metavar="N", help="use only so many images")
    evaluate.add_argument("--batch-size", type=int, default=64)
    evaluate.add_argument("--device", default="auto", help="auto, cpu or cuda")
    evaluate.add_argument("--json", action="store_true", help="end with one JSON object")
    evaluate.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from course_lib.data import load
    from course_lib.train import evaluate, load_checkpoint, pick_device

    model, card = load_checkpoint(args.checkpoint)
    if card["task"] == "generation":
        raise ValueError(
            f"{args.checkpoint} is a generator; `course sample` with --data scores its samples."
        )
    size = _size(args.size) or tuple(card["size"])
    data = load(args.data, args.split, size=size, task=card["task"], root=args.root, num=args.limit)
    if tuple(data.classes) != tuple(card["classes"]):
        raise ValueError(
            f"{args.checkpoint} tells apart {', '.join(card['classes'])}; {args.data} has "
            f"{', '.join(data.classes)}. Choose a data set with the same classes."
        )
    device = pick_device(args.device)
    result = evaluate(model, data.to(device), batch_size=args.batch_size, device=device)
    per_class = dict(zip(result.classes, result.iou.tolist(), strict=True))
    print(f"{args.checkpoint} on {args.data}/{args.split}: {len(data)} images at {size}")
    for name, value in per_class.items():
        print(f"  IoU {name:15s} {value:.4f}" if value == value else f"  IoU {name:15s} absent")
    print(f"  mean IoU            {result.mean_iou:.4f}")
    print(f"  accuracy            {result.accuracy:.4f}")
    if args.json:
        record = {
            "checkpoint": str(args.checkpoint),
            "data": args.data,
            "split": args.split,
            "num_images": len(data),
            "size": list(size),
            "fingerprint": data.fingerprint,
            "mean_iou": result.mean_iou,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "iou": {k: v if v == v else None for k, v in per_class.items()},
            "note": data.note,
        }
        print(json.dumps(record))
    return 0


# -------------------------------------------------------------------------------------- results


def _add_results(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    results = commands.add_parser("results", help="the list of claims, and their measurement")
    results.set_defaults(run=_results_list)
    actions = results.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="the claims and what was measured")
    listing.set_defaults(run=_results_list)
    run = actions.add_parser("run", help="measure; an interrupted run goes on where it stopped")
    run.add_argument("--only", nargs="+", metavar="CLAIM", help="these claims; default: all")
    choice = run.add_mutually_exclusive_group()
    choice.add_argument(
        "--missing", action="store_true", help="only seeds without a result (default)"
    )
    choice.add_argument("--again", action="store_true", help="measure again from the start")
    run.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    run.add_argument("--device", default="auto", help="auto, cpu or cuda")
    _root(run)
    run.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings")
    run.add_argument("--results", type=Path, help="folder of the result files")
    run.add_argument("--smoke", action="store_true", help="seconds instead of minutes; no results")
    run.set_defaults(run=_results_run)


def _results_list(_: argparse.Namespace) -> int:
    from course_lib.results import CLAIMS, format_value, load

    for claim in CLAIMS.values():
        result = load(claim.name)
        value = format_value(result, claim.main, "percent" if claim.percent else "")
        state = f"{len(result.runs)}/{len(claim.seeds)} seeds"
        print(f"{claim.name:30s} {state:10s} {value:20s} {claim.title}")
    return 0


def _results_run(args: argparse.Namespace) -> int:
    from course_lib.results import run

    left_out = run(
        args.only,
        missing=not args.again,
        seeds=args.seeds,
        device=args.device,
        root=args.root,
        runs_dir=args.runs,
        results_dir=args.results,
        smoke=args.smoke,
    )
    return 1 if left_out and args.only else 0


# --------------------------------------------------------------------------------------- common


def _root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, help="folder of the data (default: COURSE_DATA)")


def _data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="name of a data set, see: course data list")
    _root(parser)
    parser.add_argument("--size", type=int, nargs="+", metavar="PIXELS", help="height and width")


def _size(values: list[int] | None) -> tuple[int, int] | None:
    if values is None:
        return None
    if len(values) > 2 or min(values) < 1:
        raise ValueError(f"--size is {values}; give a side, or height and width, in pixels.")
    return values[0], values[-1]


if __name__ == "__main__":
    sys.exit(main())
