"""The command ``course evaluate``."""

import argparse
import json

from course_lib.cli.common import data_options, size_of


def add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course evaluate``."""
    evaluate = commands.add_parser(
        "evaluate",
        help="judge a checkpoint on a data set",
        description="Judge a checkpoint, shipped or your own, on any split of any data set, also "
        "one it has never seen. With --json the last line is one JSON object.",
    )
    evaluate.add_argument("checkpoint", help="name of a shipped checkpoint, or a .safetensors file")
    data_options(evaluate)
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
    size = size_of(args.size) or tuple(card["size"])
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
