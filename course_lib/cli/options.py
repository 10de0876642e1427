"""What the commands' options have in common. They are read by tyro from dataclasses."""

from collections.abc import Iterable
from dataclasses import Field, asdict, dataclass, field, make_dataclass
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro
from torch import distributed, nn

from course_lib.recipes import DataSpec

Options = TypeVar("Options")
Value = TypeVar("Value")
Hidden = tyro.conf.Fixed[tyro.conf.Suppress[Value]]  # no option
Plain = tyro.conf.OmitArgPrefixes[Value]  # its options are called --epochs, not --training.epochs
WITH_THE_DATA = ("in_channels", "out_channels", "num_classes", "size")
SMALLEST_DISK = 100_000_000  # bytes that must be free where a run is saved


def _named(words: list[str]) -> Path:
    if not words[0].strip():
        raise ValueError("the name is empty; name a folder or a file.")
    return Path(words[0])


# A path that is not "": an empty word would mean the folder where one happens to be.
Place = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_named,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    ),
]


@dataclass(frozen=True, kw_only=True)
class Images(DataSpec):
    """Which images are learned from."""

    __doc__ = DataSpec.__doc__

    name: Annotated[str, tyro.conf.arg(name="data")]
    num_train: Annotated[int | None, tyro.conf.arg(aliases=["--limit"])] = None
    num_test: Hidden[int | None] = None


def images_of(data: DataSpec, asked_for: str | None) -> Images:
    """Return the images of a recipe as options, of which --data must be given."""
    return Images(**{**vars(data), "name": asked_for or tyro.MISSING})


def values_of(model: type[nn.Module], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor: its defaults, or the values that a recipe gives."""
    return {
        name: given.get(name, parameter.default)
        for name, parameter in signature(model).parameters.items()
        if name not in WITH_THE_DATA
    }


def arguments_of(model: type[nn.Module], values: dict[str, Any]) -> Any:
    """Return arguments of a constructor as a dataclass whose options tyro can read.

    Args:
        model: its docstring explains the arguments.
        values: those that are to be options.
    """
    hints = get_type_hints(model.__init__)
    rows: list[tuple[str, Any, Field[Any]]] = [
        (name, hints[name], field(default=value)) for name, value in values.items()
    ]
    names = {"__doc__": model.__doc__}
    return make_dataclass(model.__name__, rows, namespace=names, frozen=True, kw_only=True)()


def plain(arguments: Any) -> Any:
    """Return the type of some arguments whose options are to have no prefix."""
    return tyro.conf.OmitArgPrefixes[type(arguments)]  # type: ignore[misc]


def chosen(values: dict[str, Any], model: type[nn.Module], given: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments that a recipe gives, or that differ from the constructor's default."""
    plain, usual = {k: _tuple(v) for k, v in values.items()}, values_of(model, {})
    return {k: v for k, v in plain.items() if k in given or v != usual[k]}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def read(command: Options, own: dict[str, Any], words: list[str], name: str) -> Options:
    """Return a command with the options that these words give.

    Args:
        command: with every option as it is by default.
        own: fields whose options depend on the network, to the types that `arguments_of` made.
        words: of the command line.
        name: of the command, as help shows it.
    """
    kind: Any = make_dataclass(
        type(command).__name__,
        list(own.items()),
        bases=(type(command),),
        namespace={"__doc__": type(command).__doc__},
        frozen=True,
        kw_only=True,
    )
    default = kind(**vars(command))
    return tyro.cli(kind, args=words, default=default, prog=f"course {name}")


def changes(before: Any, after: Any) -> list[str]:
    """Say in which settings two configurations differ: "epochs 24 → 5"."""
    mine, theirs = (c if isinstance(c, dict) else asdict(c) for c in (before, after))
    found = []
    for name in dict.fromkeys([*mine, *theirs]):
        old, new = mine.get(name), theirs.get(name)
        if isinstance(old, dict) or isinstance(new, dict):
            found += changes(old or {}, new or {})
        elif name != "seed" and _tuple(old) != _tuple(new):
            found.append(f"{name.replace('_', ' ')} {_said(old)} → {_said(new)}")
    return found


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def said(base: str, measured: bool, changed: Iterable[str]) -> str:
    """Return the line that says from which recipe a training starts."""
    kind = "as it was measured" if measured else "the nearest: none was measured for this pair"
    different = ", ".join(dict.fromkeys(changed))
    return f"recipe: {base}, {kind}" + (f"; changed: {different}" if different else "")


def asked(
    words: list[str], command: str, known: Iterable[tuple[str, str]], names: Iterable[str]
) -> tuple[str, str | None]:
    """Return the network and the data set that these words name, before anything else is read.

    Args:
        words: of the command line, after the command.
        command: its name.
        known: pairs of network and data set for which a recipe was measured.
        names: of all networks.

    Raises:
        ValueError: for a network that there is not.
        SystemExit: after the list of networks, where none is named.
    """
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: course {command} NETWORK --data NAME --out PATH [OPTIONS]\n")
        print("Networks, and the data sets for which a recipe was measured:")
        for name in names:
            print(f"  {name:14s} {', '.join(d for n, d in known if n == name) or '-'}")
        print(f"\ncourse {command} NETWORK --data NAME --help tells the options and their values.")
        raise SystemExit(0 if words else 2)
    if words[0] not in names:
        raise ValueError(
            f"course {command} begins with a network and got {words[0]!r}; there are "
            f"{', '.join(names)}."
        )
    pairs = zip(words, [*words[1:], ""], strict=True)
    data = [v for w, v in pairs if w == "--data"] + [w[7:] for w in words if w[:7] == "--data="]
    return words[0], data[0] if data else None


def first_process() -> bool:
    """Return whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0
