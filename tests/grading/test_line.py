"""Calls, networks and gradients across the line are what they are in one process."""

from __future__ import annotations

import copy
import socket
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks import ALL
from course_lib.grading.inside.line import Line
from course_lib.grading.inside.remote import Borrowed


class Far:
    """The other end, in a thread: its functions as this process would see them."""

    def __init__(self, **names) -> None:
        here, there = socket.socketpair()
        self.line = Line(here, strict=True)
        far = Line(there, strict=False)

        def resolve(name):
            if name not in names:
                raise NameError(name)
            return names[name]

        far.resolve = resolve
        self.far = far
        self.thread = threading.Thread(target=far.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self.line

    def __exit__(self, *error):
        if not self.line.broken:
            self.line.enough()
        self.line.connection.close()
        self.thread.join(5)


VALUES = [
    None,
    True,
    3,
    -(10**40),
    2.5,
    float("inf"),
    "text",
    1j,
    (1, [2.0, {"a": (3,)}]),
    {1: "x", (2, 3): None},
    {4, 5},
    slice(1, None, 2),
    range(3, 9, 2),
    torch.float64,
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.float32(0.5),
    torch.rand(2, 3, dtype=torch.float64),
    torch.tensor(7),
    torch.zeros(0, 3),
    torch.rand(3).bfloat16(),
    torch.rand(4, 5).t(),
    torch.tensor([True, False]),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_data_arrive_as_they_were_sent(value):
    with Far(same=lambda x: x) as line:
        got = line.get("same")(value)
    assert type(got) is type(value)
    if isinstance(value, torch.Tensor):
        assert got.dtype == value.dtype and torch.equal(got, value)
    elif isinstance(value, np.ndarray | np.generic):
        assert got.dtype == value.dtype and np.array_equal(got, value)
    else:
        assert got == value


def test_what_is_no_data_arrives_as_its_name():
    with Far(f=lambda: socket) as line:
        assert type(line.get("f")()).__name__ == "module"


def test_gradients_are_those_of_one_process_twice():
    def f(x, y):
        return (x.sin() * y).sum(0), x.detach().sum()

    x = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    y = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)

    def twice(function):
        value, cut = function(x * 1, y * 2)
        assert not cut.requires_grad
        (first,) = torch.autograd.grad((value**2).sum(), x, create_graph=True)
        return [value, first, *torch.autograd.grad(first.square().sum(), [x, y])]

    with Far(f=f) as line:
        got, wanted = twice(line.get("f")), twice(f)
    assert all(torch.allclose(a, b) for a, b in zip(got, wanted, strict=True))


def test_gradcheck_finds_the_remote_gradient_right():
    with Far(f=lambda x: torch.tanh(x) @ x.t()) as line:
        x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(line.get("f"), (x,))
        assert torch.autograd.gradgradcheck(line.get("f"), (x,))


def test_what_the_function_changes_is_changed_here():
    def f(x, items, array):
        x.zero_()
        items.append(3)
        array += 1
        return None

    x, items, array = torch.ones(2), [1], np.zeros(3)
    with Far(f=f) as line:
        line.get("f")(x, items, array)
    assert not x.any() and items == [1, 3] and array.tolist() == [1, 1, 1]


def test_a_tensor_that_is_cut_from_its_graph_in_place_is_cut_here():
    x = torch.rand(2, requires_grad=True).clone()
    with Far(f=lambda x: x.detach_().sum()) as line:
        line.get("f")(x)
    assert not x.requires_grad


class Net(nn.Module):
    """BatchNorm, tied weights, a list of what was called."""

    def __init__(self):
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)
        self.head.weight = self.body.weight
        self.width = 4
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return self.head(torch.tanh(self.norm(self.body(x))))


def train(net, batches, lr):
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    losses = []
    for x in batches:
        optimiser.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_a_network_that_is_lent_is_trained_as_here():
    batches = [torch.randn(5, 4) for _ in range(3)]
    here = Net().eval()
    there = copy.deepcopy(here)
    wanted = train(here, batches, 0.1)
    with Far(train=train) as line:
        got = line.get("train")(there, batches, 0.1)
    assert got == pytest.approx(wanted, rel=1e-6)
    assert there.training and there.modes == [True] * 3
    for a, b in zip(here.state_dict().values(), there.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-7)


def test_the_gradient_of_a_penalty_reaches_a_network_that_is_lent():
    check = ALL["gradient_penalty"]
    arguments = check.example(torch.Generator().manual_seed(0))
    wanted = check.probe(check.guarded(check.reference), arguments)
    with Far(f=check.reference) as line:
        got = check.probe(check.guarded(line.get("f")), arguments)
    assert torch.allclose(got[0], wanted[0])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(got[1], wanted[1], strict=True))


def test_a_class_of_the_other_side_is_constructed_called_and_trained_here():
    with Far(Net=Net) as line:
        torch.manual_seed(0)
        net = line.get("Net")()
        torch.manual_seed(0)
        twin = Net()
        assert isinstance(net, Borrowed) and net.width == 4
        assert net.state_dict().keys() == twin.state_dict().keys()
        assert net.head.weight is net.body.weight
        batches = [torch.randn(5, 4) for _ in range(3)]
        assert train(net, batches, 0.1) == pytest.approx(train(twin, batches, 0.1), rel=1e-6)
        net.eval()
        twin.eval()
        assert torch.allclose(net(batches[0]), twin(batches[0]), atol=1e-6)
        net.load_state_dict(Net().state_dict())
        assert not torch.allclose(net(batches[0]), twin(batches[0]))
        assert torch.allclose(net.norm(batches[0]), F.batch_norm(batches[0], *_stored(net.norm)))


def _stored(norm):
    return norm.running_mean, norm.running_var, norm.weight, norm.bias


def test_layers_of_a_lent_network_are_of_torchs_classes_there():
    def f(net):
        return [isinstance(m, nn.BatchNorm1d) for m in net.modules()]

    with Far(f=f) as line:
        assert line.get("f")(Net()) == [False, False, True, False]


def test_functions_go_both_ways_and_only_during_the_call():
    kept = []

    def f(inner):
        kept.append(inner)
        return inner(torch.tensor([1.0, 2.0])), inner

    def again():
        return kept[0](torch.zeros(2))

    with Far(f=lambda inner: f(inner)[0], again=again, g=lambda: again) as line:
        assert line.get("f")(lambda x: x * 3).tolist() == [3, 6]
        with pytest.raises(RuntimeError, match="the call is over"):
            line.get("again")()
        with pytest.raises(RuntimeError, match="the call is over"):
            line.get("g")()()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no"), ValueError),
        (NotImplementedError(), NotImplementedError),
        (AssertionError("wrong"), AssertionError),
        (SystemExit(3), SystemExit),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), Exception),
        (KeyboardInterrupt(), Exception),
        (type("Mine", (KeyError,), {})("k"), KeyError),
    ],
)
def test_errors_keep_their_class_and_text(error, kind):
    def f():
        raise error

    with Far(f=f) as line, pytest.raises(kind) as caught:
        line.get("f")()
    assert type(error).__name__ in type(caught.value).__name__ or str(error) in str(caught.value)
    assert not isinstance(caught.value, KeyboardInterrupt)


def test_the_dice_are_the_same_on_both_sides():
    with Far(f=lambda: torch.rand(3)) as line:
        f = line.get("f")
        torch.manual_seed(5)
        got = [f(), torch.rand(2), f()]
    torch.manual_seed(5)
    wanted = [torch.rand(3), torch.rand(2), torch.rand(3)]
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_a_name_that_is_not_there():
    with Far() as line, pytest.raises(NameError):
        line.get("nothing")


KINDS = [c for c in ALL.values() if c.kind not in ("design",)]


@pytest.mark.parametrize("check", KINDS, ids=lambda c: c.name)
def test_every_check_gives_across_the_line_what_it_gives_here(check):
    with Far(right=check.reference, wrong=check.mistakes[0].mutant) as line:
        right, wrong = check(line.get("right"), seed=1), check(line.get("wrong"), seed=1)
    assert right.passed, str(right)
    here = check(check.mistakes[0].mutant, seed=1)
    assert (wrong.points, wrong.hint) == (here.points, here.hint), f"{wrong}\n{here}"
