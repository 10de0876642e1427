"""Calls across the line: functions, networks and gradients of one side, used on the other.

Both ends are a `Line` over one socket. A call sends its arguments as data (`wire`) and gets a
value or an error. While it is being answered, the answering side may call back what was lent to it
in the arguments, so calls nest. What else comes back with an answer: the arguments as they are
afterwards, by which the caller's own are changed (`changes`), the state of torch's dice, and what
was printed.

**Gradients.** Tensors that need one arrive as leaves. The answering side keeps them and its
results, with the graph in between, as a *node*; the caller attaches its own tensors to the results
(`remote.Attach`), and its backward pass asks the node for a vector-Jacobian product, which is
itself a node: gradients of gradients work, in both directions.

**Networks** are lent with their parameters: the borrower gets a `remote.Borrowed` with the same
names, owns the numbers, and sends them along with each call; so an optimiser, `state_dict`,
`train()` and `requires_grad_()` are local, and the lender computes with what it is sent.

The side of the grader sets `strict`: it takes nothing but answers, and calls of what it lent for
the call in progress; everything has a deadline.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import wire
from .changes import apply_changes, same, states, swapped, unleaved
from .channel import Channel, Closed
from .errors import MESSAGE, described, raised
from .remote import Attach, Borrowed, Function, Node
from .wire import Decoder, Encoder, Refused

NESTED = 40  # calls in calls
NODES = 50_000  # kept at a time
KEPT = 1 << 30  # bytes of tensors in the grader's nodes, during one question
EXTRA = 2 << 30  # bytes that the grader takes to compute what it lent
DICE = len(torch.default_generator.get_state())


class Line(Channel):
    """One end of the line.

    Attributes:
        strict: Whether this is the grader's side.
        printed: Takes what the other side printed while it answered.
        dropped: Nodes of the other side that are no longer needed here.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        strict: bool,
        printed: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Take one end of a connection."""
        super().__init__(connection)
        self.strict, self.printed = strict, printed
        self.dropped: list[int] = []
        self.broken = False
        self.lent: dict[int, Any] = {}
        self.nodes: dict[int, tuple[list[Tensor], list[Tensor]]] = {}
        self.capture: Callable[[], Any] = lambda: contextlib.nullcontext([])
        self.resolve: Callable[[str], Any] | None = None  # the agent's: a name of the notebook
        self._numbers = iter(range(1, 2**62))
        self._depth = 0
        self._kept = 0

    def forget(self) -> None:
        """Keep nothing of what was lent and computed so far."""
        self.nodes.clear()
        self.lent.clear()
        self._kept = 0

    # ---- asking

    def get(self, name: str) -> Any:
        """The object with this name in the learner's notebook.

        Raises:
            NameError: There is none.
        """
        return self.call({"op": "get", "name": name}, [], {})

    def call(
        self,
        request: dict[str, Any],
        arguments: list[Any],
        options: dict[str, Any],
        *,
        extra: Sequence[Tensor] = (),
        write_back: bool = False,
    ) -> Any:
        """Ask the other side, and wait for the answer.

        Args:
            request: What is asked for.
            arguments: Sent as data.
            options: Sent as data, by name.
            extra: Tensors that the other side already has leaves for: those of a node.
            write_back: Whether changes of the arguments are written into them.

        Returns:
            What comes back, in the graph of the tensors that were sent.
        """
        before = set(self.lent)
        encode = Encoder(self._lend, parameters=True)
        message = {**request, "arguments": encode(arguments), "options": encode(options)}
        message["grad"] = torch.is_grad_enabled()
        top = self._depth == 0
        self._depth += 1
        try:
            answer, buffers = self._exchange(message, encode.buffers)
        finally:
            self._depth -= 1
            if top and self.strict:  # what was lent for this call is lent no longer
                for number in set(self.lent) - before:
                    del self.lent[number]
        decode = Decoder(buffers, self._borrow)
        if write_back and "after" in answer:
            after = decode(answer["after"])
            found = decode.grads.copy()
            decode.grads.clear()
            apply_changes([arguments, options], after)
            for tensor in found:
                tensor.requires_grad_(False)
        value = decode(answer.get("value"))
        sent = [*encode.grads, *extra]
        return self._attached(value, decode.grads, sent, answer.get("node"))

    def _attached(self, value: Any, flagged: list[Tensor], sent: list[Tensor], node: Any) -> Any:
        if not flagged or not sent or type(node) is not int or not torch.is_grad_enabled():
            return value
        results = [tensor.detach() for tensor in flagged]
        attached = Attach.apply(self, Node(self, node), results, *sent)
        return swapped(value, {id(a): b for a, b in zip(flagged, attached, strict=True)})

    def pull_back(
        self, node: Node, cotangents: Sequence[Tensor], sent: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Ask a node of the other side for a vector-Jacobian product."""
        found = self.call(
            {"op": "pull back", "node": node.number}, list(cotangents), {}, extra=sent
        )
        if not isinstance(found, list) or len(found) != len(sent):
            raise Refused("the gradients are not as many as the inputs")
        for gradient, tensor in zip(found, sent, strict=True):
            if gradient is not None and (
                not isinstance(gradient, Tensor)
                or gradient.shape != tensor.shape
                or gradient.dtype != tensor.dtype
            ):
                raise Refused("a gradient is not of its input's shape and type")
        return found

    def forward(self, module: Borrowed, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Call a borrowed network."""
        parameters = dict(module.named_parameters())
        buffers = dict(module.named_buffers())
        request = {
            "op": "forward",
            "id": module._number,
            "path": module._path,
            "modes": [bool(layer.training) for layer in module.modules()],
        }
        outcome = self.call(request, [parameters, buffers, arguments, options], {})
        value, after = outcome
        with torch.no_grad():
            for name, tensor in after.items():
                if name in buffers and not same(buffers[name], tensor):
                    buffers[name].copy_(tensor)
        return value

    def _exchange(self, message: dict[str, Any], buffers: list[bytes]) -> tuple[Any, list[bytes]]:
        """Send a request and return its answer, answering what is asked in between."""
        if self.broken:
            raise Closed(self.why() or "the connection was given up")
        if self._depth > NESTED:
            raise RecursionError("calls across the line are nested too deeply")
        number = next(self._numbers)
        dropped, self.dropped = self.dropped, []
        message |= {"number": number, "dropped": dropped, "dice": _dice(buffers)}
        try:
            self._send(message, buffers)
            while True:
                got, parts = self._receive()
                if "answers" not in got:
                    self.answer(got, parts)
                    continue
                if got["answers"] != number:
                    raise Refused("an answer to another question")
                break
        except BaseException:
            self.broken = True  # nobody knows what is still on its way
            raise
        _set_dice(got.get("dice"), parts)
        printed = got.get("printed")
        if type(printed) is str and printed:
            self.printed(printed[:MESSAGE])
        if "error" in got:
            raise raised(got["error"])
        return got, parts

    # ---- answering

    def serve(self) -> None:
        """Answer until the other side says that it is enough."""
        while True:
            got, parts = self._receive()
            if got.get("op") == "enough":
                self.forget()
                self._send({"answers": got["number"]}, [])
                return
            self.answer(got, parts)

    def enough(self) -> None:
        """Tell the other side to stop serving."""
        self._exchange({"op": "enough"}, [])

    def answer(self, request: dict[str, Any], buffers: list[bytes]) -> None:
        """Answer one request; errors are the other side's."""
        number = request.get("number")
        if type(number) is not int:
            raise Refused("a question without a number")
        encode = Encoder(self._lend)
        reply: dict[str, Any] = {"answers": number}
        depth = self._depth
        self._depth += 1
        try:
            with self.capture() as printed:
                try:
                    reply |= self._do(request, buffers, encode)
                except Refused:
                    raise
                except Closed:
                    raise
                except BaseException as error:
                    if self.strict and not isinstance(error, Exception):
                        raise  # the grader's own time is over
                    encode = Encoder(self._lend)
                    reply = {"answers": number, "error": described(error)}
            reply["printed"] = "".join(printed)[:MESSAGE]
        finally:
            self._depth = depth
        reply["dice"] = _dice(encode.buffers)
        self._send(reply, encode.buffers)

    def _do(self, request: dict[str, Any], buffers: list[bytes], encode: Encoder) -> dict[str, Any]:
        operation = request.get("op")
        if self.strict and (self._depth < 2 or operation not in ("call", "forward", "pull back")):
            raise Refused("a question that nobody may ask")
        for number in request.get("dropped") or []:
            self.nodes.pop(number, None)
        _set_dice(request.get("dice"), buffers)
        if operation == "get":
            assert self.resolve is not None
            return {"value": encode(self.resolve(request["name"]))}
        decode = Decoder(buffers, self._borrow, parameters=True)
        arguments, options = decode(request.get("arguments")), decode(request.get("options"))
        if type(arguments) is not list or type(options) is not dict:
            raise Refused("no arguments")
        limit = _little_memory() if self.strict else contextlib.nullcontext()
        with limit, torch.set_grad_enabled(request.get("grad") is not False):
            if operation == "pull back":
                return self._pull(request, arguments, decode.grads, encode)
            if operation == "forward":
                return self._forward(request, arguments, decode.grads, encode)
            function = self._lent(request)
            # A leaf cannot be changed in place; a copy of it can, as in the caller's own process.
            given = unleaved([arguments, options])
            value = function(*given[0], **given[1])
            leaves = decode.grads
            reply = {"value": encode(value)}
            outs = encode.grads.copy()
            reply["after"] = encode(states(given))
            encode.grads = outs
            return self._noted(reply, leaves, outs)

    def _forward(
        self, request: dict[str, Any], parts: list[Any], leaves: list[Tensor], encode: Encoder
    ) -> dict[str, Any]:
        module = self._lent(request)
        path = request.get("path")
        if not isinstance(module, nn.Module) or type(path) is not str:
            raise Refused("no network")
        try:
            layer = module.get_submodule(path)
        except AttributeError as error:
            raise Refused("no such layer") from error
        parameters, buffers, arguments, options = parts
        own: list[dict[str, Any]] = [dict(layer.named_parameters()), dict(layer.named_buffers())]
        for wanted, got in zip(own, (parameters, buffers), strict=True):
            if wanted.keys() != got.keys() or any(
                wanted[name].shape != got[name].shape for name in wanted
            ):
                raise ValueError("the network's layers are not those that were lent")
        modes, layers = request.get("modes"), list(layer.modules())
        if type(modes) is not list or len(modes) != len(layers):
            raise ValueError("the network's layers are not those that were lent")
        for part, mode in zip(layers, modes, strict=True):
            part.training = mode is True
        given = unleaved([arguments, options])
        state = {**parameters, **buffers}
        value = torch.func.functional_call(layer, state, tuple(given[0]), given[1])
        reply = {"value": encode((value, {k: b.detach() for k, b in buffers.items()}))}
        return self._noted(reply, leaves, encode.grads)

    def _pull(
        self, request: dict[str, Any], cotangents: list[Any], new: list[Tensor], encode: Encoder
    ) -> dict[str, Any]:
        number = request.get("node")
        if type(number) is not int or number not in self.nodes:
            raise Refused("no such graph")
        leaves, outs = self.nodes[number]
        shapes = [tuple(tensor.shape) for tensor in outs]
        if [tuple(getattr(c, "shape", (-1,))) for c in cotangents] != shapes:
            raise Refused("the cotangents have other shapes than the results")
        found = torch.autograd.grad(
            outs,
            leaves,
            cotangents,
            retain_graph=True,
            create_graph=torch.is_grad_enabled(),
            allow_unused=True,
        )
        reply = {"value": encode(list(found))}
        return self._noted(reply, [*new, *leaves], encode.grads)

    def _noted(
        self, reply: dict[str, Any], leaves: list[Tensor], outs: list[Tensor]
    ) -> dict[str, Any]:
        """Keep the graph between the leaves and the results, if there is one."""
        if leaves and outs:
            self._kept += sum(tensor.nbytes for tensor in [*leaves, *outs])
            if len(self.nodes) >= NODES or (self.strict and self._kept > KEPT):
                raise MemoryError("too many graphs are kept")
            number = next(self._numbers)
            self.nodes[number] = list(leaves), list(outs)
            reply["node"] = number
        return reply

    # ---- lending

    def _lend(self, value: Any) -> int:
        if isinstance(value, Function | Borrowed) and getattr(value, "_line", None) is self:
            raise AssertionError("what was lent to you cannot be handed back")
        for number, known in self.lent.items():
            if known is value:
                return number
        number = next(self._numbers)
        self.lent[number] = value
        return number

    def _lent(self, request: dict[str, Any]) -> Any:
        number = request.get("id")
        if type(number) is not int or number not in self.lent:
            raise RuntimeError("this was lent for one call, and the call is over")
        return self.lent[number]

    def _borrow(self, tag: str, inner: dict[str, Any], decode: Decoder) -> Any:
        number = int(inner["id"])
        if tag == "function":
            return Function(self, number, str(inner["name"])[:60])
        layers, nodes = wire.layers_of(inner), inner["tensors"]
        parameters = {place for layer in layers for place in layer["parameters"].values()}
        tensors = [
            decode.parameter(node) if place in parameters else decode.tensor(node)
            for place, node in enumerate(nodes)
        ]
        made: dict[str, Borrowed] = {}
        for spec in layers:
            layer = self._layer(spec, number)
            for name, place in spec["parameters"].items():
                layer.register_parameter(name, tensors[place])
            for name, place in spec["buffers"].items():
                layer.register_buffer(name, tensors[place].detach())
            parent, _, name = spec["path"].rpartition(".")
            if spec["path"]:
                made[parent].add_module(name, layer)
            made[spec["path"]] = layer
        return made[""]

    def _layer(self, spec: dict[str, Any], number: int) -> Borrowed:
        """One layer. In the sandbox it is of torch's own class, so that `isinstance` knows it."""
        name = str(spec["class"])[:60]
        bases: tuple[type, ...] = (Borrowed,)
        if not self.strict and spec["torch"] is True:
            known = getattr(nn, name, None)
            if isinstance(known, type) and issubclass(known, nn.Module) and known is not nn.Module:
                bases = (Borrowed, known)
        made = type(name if name.isidentifier() else "Module", bases, {})
        layer: Borrowed = made.__new__(made)  # type: ignore[call-overload]
        nn.Module.__init__(layer)
        layer.training = spec["training"] is True
        for key, value in spec["attributes"].items():
            single = value if isinstance(value, list) and len(value) <= 8 else [value]
            if all(type(x) in (bool, int, str) for x in single) and not hasattr(nn.Module, key):
                vars(layer)[key] = tuple(value) if isinstance(value, list) else value
        vars(layer).update(_line=self, _number=number, _path=spec["path"])
        return layer


def _dice(buffers: list[bytes]) -> int:
    """Add the state of torch's dice to a message."""
    buffers.append(torch.default_generator.get_state().numpy().tobytes())
    return len(buffers) - 1


def _set_dice(place: Any, buffers: list[bytes]) -> None:
    """Go on with the other side's dice; torch refuses a state that is none."""
    if type(place) is int and 0 <= place < len(buffers) and len(buffers[place]) == DICE:
        state = torch.frombuffer(bytearray(buffers[place]), dtype=torch.uint8)
        with contextlib.suppress(RuntimeError):
            torch.default_generator.set_state(state)


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    """Let this process take only a little more memory than it has: an allocation then fails."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as stream:
            data = int(stream.read().split()[5]) * resource.getpagesize()
    except (ImportError, OSError):  # no Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = data + EXTRA
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
