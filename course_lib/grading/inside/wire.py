"""Values as data, and back: JSON of a bounded size, and arrays in NumPy's own format, unpickled.

`encode` turns a value into JSON and a list of byte strings; `decode` does the opposite, and trusts
nothing: each length, depth, number and type is checked before anything is made of it. Whatever is
no data goes by number: functions and modules that one side lends to the other (`Lend`, `Borrow`).
What cannot go either way arrives as an object of no use whose class has the right name (`Opaque`),
so that a message can say "you return a Figure".
"""

from __future__ import annotations

import io
import keyword
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LARGEST = 64 << 20  # bytes of one message
NUMBERS = 16_000_000  # of one tensor
DEPTH = 24
ITEMS = 100_000  # values in one message
TEXT = 1 << 20  # characters of one text
DIGITS = 300  # of one whole number
KINDS = "?bhilqBHILQefdFD"  # NumPy's letters of the numbers that may come: no objects, no texts
# NumPy's format, version 1.0, as NumPy writes it; its own reader evaluates the header as Python.
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<>=|][a-zA-Z]\d{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]{0,400})\), \} *\n",
    flags=re.DOTALL,
)
MODULES, TENSORS = 2_000, 4_000  # of one network

# Types that NumPy does not know, and the one of the same size that carries their bits.
CARRIED = {torch.bfloat16: torch.int16}
DTYPES = {
    str(value).removeprefix("torch."): value
    for value in vars(torch).values()
    if isinstance(value, torch.dtype)
}


class Refused(ValueError):
    """Something that came over the line is not what it should be, or too much."""


class Opaque:
    """Stands for a value that is no data; only its type's name has come."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def opaque(name: str) -> Opaque:
    """Make an object of no use whose class has this name."""
    safe = name if name.isidentifier() and not keyword.iskeyword(name) else "object"
    made: Opaque = type(safe[:60], (Opaque,), {})()
    return made


Lend = Callable[[Any], int]  # a number for a function or a module
Borrow = Callable[[str, dict[str, Any], "Decoder"], Any]  # what stands for it on the other side


class Encoder:
    """Encodes the values of one message.

    Attributes:
        buffers: The arrays, as bytes.
        grads: The tensors that need a gradient, in the order in which `Decoder` meets them.
    """

    def __init__(self, lend: Lend | None = None, *, parameters: bool = False) -> None:
        """Encode, lending functions and modules; without `lend` they are opaque.

        Args:
            lend: Gives each of them a number.
            parameters: Whether those of modules count among `grads`: in a call's arguments.
        """
        self.lend, self.parameters = lend, parameters
        self.buffers: list[bytes] = []
        self.grads: list[Tensor] = []
        self._bytes = 0

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Encode one value.

        Raises:
            AssertionError: A tensor or an array is far too large, or the value too deep.
        """
        if depth > DEPTH:
            raise AssertionError("your result is a container in a container in a container ...")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if isinstance(value, Tensor):
            return self.tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            number = int.__int__(value)
            return number if abs(number) < 2**62 else {"int": hex(number)}
        if isinstance(value, float):
            real = float.__float__(value)
            return real if math.isfinite(real) else {"float": repr(real)}
        if isinstance(value, complex):
            return {"complex": [self(value.real), self(value.imag)]}
        if isinstance(value, list):
            return [self(item, depth + 1) for item in list.__iter__(value)]
        if isinstance(value, tuple):
            return {"tuple": [self(item, depth + 1) for item in tuple.__iter__(value)]}
        if isinstance(value, dict):
            pairs = [(self(k, depth + 1), self(v, depth + 1)) for k, v in dict.items(value)]
            return {"dict": [list(pair) for pair in pairs]}
        if kind in (set, frozenset):
            return {"set": [self(item, depth + 1) for item in value]}
        if kind in (slice, range):
            return {kind.__name__: [self(x) for x in (value.start, value.stop, value.step)]}
        if kind is torch.dtype:
            return {"dtype": str(value).removeprefix("torch.")}
        if kind is torch.device:
            return {"device": str(value)}
        if kind is torch.Generator:
            return {"generator": self._add(value.get_state().numpy())}
        if isinstance(value, nn.Module) and self.lend is not None:
            return {"module": {"id": self.lend(value), **self.module(value)}}
        if callable(value) and self.lend is not None:
            name = str(getattr(value, "__name__", "function"))[:60]
            made = {"id": self.lend(value), "name": name, "class": isinstance(value, type)}
            return {"function": made}
        return {"opaque": str(kind.__name__)[:60]}

    def tensor(self, value: Tensor) -> Any:
        """Encode the numbers of a tensor, whatever its class says of them."""
        with torch._C.DisableTorchFunctionSubclass():
            shape = tuple(value.shape)
            if math.prod(shape) > NUMBERS:
                raise AssertionError(
                    f"you return {math.prod(shape) / 1e6:,.0f} million numbers, of the shape "
                    f"{shape}: this is not even looked at. Did two shapes broadcast that should "
                    "not?"
                )
            name = str(value.dtype).removeprefix("torch.")
            try:
                data = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
                data = data.view(CARRIED[data.dtype]) if data.dtype in CARRIED else data
                array = data.numpy()
            except (RuntimeError, TypeError):  # sparse, quantised, on no device
                return {"opaque": f"{type(value).__name__[:60]}"}
            if value.requires_grad:
                self.grads.append(value)
            made = {"tensor": self._add(array), "dtype": name, "grad": bool(value.requires_grad)}
        return made

    def _array(self, value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.char not in KINDS:
            return {"opaque": type(value).__name__[:60]}
        if array.size > NUMBERS:
            raise AssertionError(f"you return {array.size / 1e6:,.0f} million numbers")
        return {"array": self._add(array), "scalar": isinstance(value, np.generic)}

    def _add(self, array: np.ndarray) -> int:
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.asarray(array, order="C"), allow_pickle=False)
        data = stream.getvalue()
        self._bytes += len(data)
        if self._bytes > LARGEST:
            raise AssertionError(f"you return more than {LARGEST >> 20} MB of numbers")
        self.buffers.append(data)
        return len(self.buffers) - 1

    def module(self, module: nn.Module) -> dict[str, Any]:
        """Encode a network's layers: names, modes, parameters, buffers, simple attributes."""
        tensors: list[Any] = []
        places: dict[int, int] = {}

        def place(value: Tensor) -> int:
            if id(value) not in places:
                places[id(value)] = len(tensors)
                noted = len(self.grads)
                tensors.append(self.tensor(value))
                if not self.parameters:
                    del self.grads[noted:]
            return places[id(value)]

        layers = []
        for path, layer in module.named_modules():
            own = {k: place(p) for k, p in layer._parameters.items() if p is not None}
            buffers = {k: place(b) for k, b in layer._buffers.items() if b is not None}
            layers.append(
                {
                    "path": path,
                    "class": type(layer).__name__[:60],
                    "torch": type(layer).__module__.startswith("torch.nn"),
                    "training": bool(layer.training),
                    "parameters": own,
                    "buffers": buffers,
                    "attributes": _simple_attributes(layer),
                }
            )
        return {"layers": layers, "tensors": tensors}


def _simple_attributes(layer: nn.Module) -> dict[str, Any]:
    """Numbers and short texts that a layer has as attributes."""
    found = {}
    for name, value in vars(layer).items():
        single = value if isinstance(value, tuple) and len(value) <= 8 else (value,)
        short = all(type(x) in (bool, int, str) and len(str(x)) < 100 for x in single)
        if not name.startswith("_") and name != "training" and short:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


class Decoder:
    """Decodes the values of one message.

    Attributes:
        grads: The tensors that need a gradient, in the order of `Encoder.grads`: leaves.
    """

    def __init__(
        self, buffers: Sequence[bytes], borrow: Borrow | None = None, *, parameters: bool = False
    ) -> None:
        """Decode a message with these arrays; without `borrow`, nothing may be lent."""
        self.buffers, self.borrow, self.parameters = buffers, borrow, parameters
        self.grads: list[Tensor] = []
        self._items = 0

    def __call__(self, node: Any, depth: int = 0) -> Any:
        """Decode one value.

        Raises:
            Refused: It is no value, or too much.
        """
        self._items += 1
        if depth > DEPTH or self._items > ITEMS:
            raise Refused("too deep, or too many values")
        if node is None or type(node) in (bool, float):
            return node
        if type(node) is int:
            return _bounded(node)
        if type(node) is str:
            if len(node) > TEXT:
                raise Refused("a text is too long")
            return node
        if type(node) is list:
            return [self(item, depth + 1) for item in node]
        if type(node) is not dict or not node:
            raise Refused("no value")
        tag = next(iter(node))
        try:
            return self._tagged(tag, node[tag], node, depth)
        except Refused:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Refused(f"malformed {str(tag)[:20]!r}") from error
        except RuntimeError as error:  # torch's: no tensor, or no state of dice, with this in it
            raise Refused(f"malformed {str(tag)[:20]!r}") from error

    def _tagged(self, tag: str, inner: Any, node: dict[str, Any], depth: int) -> Any:
        if tag == "tensor":
            return self.tensor(node)
        if tag == "array":
            array = self._array(inner)
            return array[()] if node["scalar"] is True and array.ndim == 0 else array
        if tag == "tuple":
            return tuple(self(item, depth + 1) for item in _list(inner))
        if tag == "dict":
            pairs = [(self(k, depth + 1), self(v, depth + 1)) for k, v in _list(inner)]
            return dict(pairs)
        if tag == "set":
            return {self(item, depth + 1) for item in _list(inner)}
        if tag == "int":
            return _bounded(int(inner, 16)) if len(inner) < DIGITS else _bounded(10**DIGITS)
        if tag == "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[inner]
        if tag == "complex":
            real, imaginary = (self(part) for part in inner)
            return complex(float(real), float(imaginary))
        if tag in ("slice", "range"):
            parts = [self(part) for part in _list(inner)]
            return {"slice": slice, "range": range}[tag](*parts[:3])
        if tag == "dtype":
            return DTYPES[inner]
        if tag == "device":
            return torch.device("cpu")
        if tag == "generator":
            return torch.Generator().set_state(torch.from_numpy(self._array(inner)))
        if tag in ("function", "module") and self.borrow is not None:
            return self.borrow(tag, inner, self)
        if tag == "opaque":
            return opaque(str(inner))
        raise Refused("no value")

    def tensor(self, node: dict[str, Any]) -> Tensor:
        """Decode a tensor; one that needs a gradient is a leaf, and noted."""
        wanted = DTYPES[node["dtype"]]
        tensor = torch.from_numpy(self._array(node["tensor"]))
        if wanted in CARRIED and tensor.dtype == CARRIED[wanted]:
            tensor = tensor.view(wanted)
        if tensor.dtype != wanted:
            raise Refused("a tensor of another type")
        if node["grad"] is True:
            tensor.requires_grad_()
            self.grads.append(tensor)
        return tensor

    def parameter(self, node: dict[str, Any]) -> nn.Parameter:
        """Decode a module's parameter; whether it counts among `grads` is as in `Encoder`."""
        noted = len(self.grads)
        tensor = self.tensor(node)
        made = nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
        if len(self.grads) > noted:
            self.grads[noted:] = [made] if self.parameters else []
        return made

    def _array(self, place: Any) -> np.ndarray:
        if type(place) is not int or not 0 <= place < len(self.buffers):
            raise Refused("no such array")
        return read_array(self.buffers[place])


def read_array(data: bytes) -> np.ndarray:
    """Read an array in NumPy's format; its header must agree with the bytes that are there.

    Raises:
        Refused: It is none, holds objects, or claims another size.
    """
    found = HEADER.match(data[:1_000])
    if found is None or int.from_bytes(found[1], "little") != found.end() - 10:
        raise Refused("not an array")
    try:
        dtype = np.dtype(found[2].decode("ascii"))
        shape = tuple(int(digits) for digits in found[4].replace(b",", b" ").split())
    except (TypeError, ValueError) as error:
        raise Refused("not an array") from error
    fortran = found[3] == b"True"
    numbers = math.prod(shape)
    if dtype.char not in KINDS or not dtype.isnative:
        raise Refused(f"an array of {dtype}")
    if len(shape) > 32 or numbers > NUMBERS:
        raise Refused("an array with too many numbers")
    rest = data[found.end() :]
    if numbers * dtype.itemsize != len(rest):
        raise Refused("an array whose size is not the one that it claims")
    if dtype.char == "?" and rest.strip(b"\x00\x01"):
        raise Refused("truth values that are neither")
    flat = np.frombuffer(bytearray(rest), dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def layers_of(spec: Any) -> list[dict[str, Any]]:
    """The layers in a description of a network, after a look at each of its parts.

    Raises:
        Refused: It is no description, or too large.
    """
    layers, tensors = spec["layers"], spec["tensors"]
    if not 0 < len(_list(layers)) <= MODULES or len(_list(tensors)) > TENSORS:
        raise Refused("a network with too many layers")
    paths: set[str] = set()
    for layer in layers:
        path = layer["path"]
        names = [*_dict(layer["parameters"]), *_dict(layer["buffers"]), *layer["attributes"]]
        parent = path.rpartition(".")[0]
        if type(path) is not str or len(path) > 300 or path in paths:
            raise Refused("a layer with a strange name")
        if (path and parent not in paths) or (not path and paths):
            raise Refused("a layer that belongs to none")
        if not all(type(n) is str and n.isidentifier() and not n.startswith("_") for n in names):
            raise Refused("a parameter with a strange name")
        paths.add(path)
    return list(layers)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Refused("no list")
    return value


def _dict(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Refused("no dictionary")
    return value


def _bounded(number: int) -> int:
    if number.bit_length() > 1000:
        raise Refused("a whole number with too many digits")
    return number
