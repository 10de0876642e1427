"""The commands ``course results``: the claims, their measurement, and what the queue does."""

import argparse
import sys
from pathlib import Path

from course_lib.cli.common import root_option

QUEUE = """\
With --queue the trainings are made one after the other until --minutes are over: what was begun
first; then what has a higher priority; on a GPU the claims with the most minutes for each seed, for
there it gains most; then the order of the list. Each training saves every few minutes, so the queue
may be killed at any moment; started again, it goes on exactly. A training that fails is noted and
left; then the exit status is 1. `course results queue` shows what it does and what is left.
"""


def add_results(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course results``."""
    results = commands.add_parser("results", help="the list of claims, and their measurement")
    results.set_defaults(run=_results_list)
    actions = results.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="the claims and what was measured")
    listing.set_defaults(run=_results_list)
    run = actions.add_parser(
        "run", help="measure; an interrupted run goes on where it stopped", epilog=QUEUE
    )
    run.add_argument("--only", nargs="+", metavar="CLAIM", help="these claims; default: all")
    choice = run.add_mutually_exclusive_group()
    choice.add_argument(
        "--missing", action="store_true", help="only seeds without a result (default)"
    )
    choice.add_argument(
        "--again",
        action="store_true",
        help="measure again from the start; if that is interrupted, --missing goes on with it",
    )
    choice.add_argument(
        "--queue", action="store_true", help="what is missing, quietly, whatever fails; see below"
    )
    run.add_argument("--minutes", type=float, help="of the queue; default: until all is measured")
    run.add_argument("--threads", type=int, help="to compute with; default: PyTorch's choice")
    run.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    run.add_argument("--device", default="auto", help="auto, cpu or cuda")
    root_option(run)
    _folders(run)
    run.add_argument("--smoke", action="store_true", help="seconds instead of minutes; no results")
    run.set_defaults(run=_results_run)
    queue = actions.add_parser("queue", help="what the queue is doing, and what is left in hours")
    root_option(queue)
    _folders(queue)
    queue.set_defaults(run=_results_queue)


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings")
    parser.add_argument("--results", type=Path, help="folder of the result files")


def _results_list(_: argparse.Namespace) -> int:
    from course_lib.results import CLAIMS, format_value, load

    status = 0
    for claim in CLAIMS.values():
        try:
            result = load(claim.name)
        except ValueError as error:
            print(f"course: {error}", file=sys.stderr)
            status = 1
            continue
        value = format_value(result, claim.main, "percent" if claim.percent else "")
        state = f"{len(result.runs)}/{len(claim.seeds)} seeds"
        older = result.older(claim.digest)
        note = f" [measured by an older recipe: seed {', '.join(map(str, older))}]" if older else ""
        print(f"{claim.name:30s} {state:10s} {value:20s} {claim.title}{note}")
    return status


def _results_run(args: argparse.Namespace) -> int:
    import torch

    from course_lib.results import queue, run
    from course_lib.results.runner import Place

    for name in ("minutes", "threads"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name} is {value}; it must be above 0.")
    if args.queue:
        queue.settle(args.threads)
        place = Place(args.device, args.root, args.runs, args.results, args.smoke)
        trouble = queue.work(place, only=args.only, seeds=args.seeds, minutes=args.minutes)
        for line in trouble:
            print(f"course: {line}", file=sys.stderr)
        return 1 if trouble else 0
    if args.minutes is not None:
        raise ValueError("--minutes limits a queue; add --queue.")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
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


def _results_queue(args: argparse.Namespace) -> int:
    from course_lib.results.runner import Place
    from course_lib.results.status import report

    print(report(Place("cpu", args.root, args.runs, args.results)))
    return 0
