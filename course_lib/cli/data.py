"""The commands ``course data``: list, fetch and verify data sets."""

import argparse
import sys

from course_lib.cli.common import root_option


def add_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course data``."""
    data = commands.add_parser("data", help="list, fetch and verify data sets")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the data sets, and which can be read here")
    root_option(listing)
    listing.set_defaults(run=_data_list)
    fetch = actions.add_parser("fetch", help="download a data set, with progress and checksum")
    fetch.add_argument("name")
    root_option(fetch)
    fetch.set_defaults(run=_data_fetch)
    verify = actions.add_parser("verify", help="check that a data set is whole and readable")
    verify.add_argument("name")
    root_option(verify)
    verify.set_defaults(run=_data_verify)


def _data_list(args: argparse.Namespace) -> int:
    from course_lib.data import available, cards

    for card in cards.CARDS.values():
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
