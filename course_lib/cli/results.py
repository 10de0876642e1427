"""The commands ``course results``: the list of claims, and their measurement."""

import argparse
from pathlib import Path

from course_lib.cli.common import root_option


def add_results(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course results``."""
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
    root_option(run)
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
