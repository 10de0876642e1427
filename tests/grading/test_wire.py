"""Whatever comes over the line, the decoder makes a value of it or refuses."""

from __future__ import annotations

import copy
import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.grading.inside import wire
from course_lib.grading.inside.wire import Decoder, Encoder, Refused, read_array

VALUE = {
    "numbers": [1, -(2**70), 2.5, float("nan"), 1j, True, None],
    "tensors": (torch.rand(2, 3), torch.arange(4), torch.rand(2).bfloat16().requires_grad_()),
    "arrays": [np.arange(3.0), np.float32(1)],
    3: {"text", range(3)},
    "more": [torch.float32, torch.device("cpu"), torch.Generator(), object(), slice(1)],
}
PIECES = [None, True, -1, 0, 5, 10**30, 1e308, "", "tensor", "nan", "f4", [], [[]], {}, {"x": 1}]
TAGS = ["tensor", "array", "tuple", "dict", "set", "int", "float", "complex", "slice", "range"]
TAGS += ["dtype", "device", "generator", "function", "module", "opaque"]


def places(node, path=()):
    """Every place in a piece of JSON."""
    yield path
    if isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(item, (*path, key))


def changed(node, dice):
    """A piece of JSON with something else in one or two places."""
    node = copy.deepcopy(node)
    for _ in range(dice.choice([1, 1, 2])):
        path = dice.choice([p for p in places(node) if p])
        inner = node
        for key in path[:-1]:
            inner = inner[key]
        new = dice.choice([*PIECES, {dice.choice(TAGS): dice.choice(PIECES)}])
        inner[path[-1]] = copy.deepcopy(new)
    return json.loads(json.dumps(node))


@pytest.mark.adversarial
def test_a_message_with_something_else_in_it_is_a_value_or_refused():
    encode, dice = Encoder(), random.Random(0)
    node, refused = encode(VALUE), 0
    for _ in range(4000):
        try:
            Decoder(encode.buffers)(changed(node, dice))
        except Refused:
            refused += 1
    assert 400 < refused < 3900


@pytest.mark.adversarial
def test_arrays_with_other_bytes_in_them_are_arrays_or_refused():
    encode, dice = Encoder(), random.Random(1)
    for value in (np.arange(6.0).reshape(2, 3), np.array([True, False]), np.zeros((0, 3))):
        encode(value)
    refused = 0
    for _ in range(6000):
        data = bytearray(dice.choice(encode.buffers))
        for _ in range(dice.choice([1, 1, 3])):
            data[dice.randrange(min(len(data), 130))] = dice.randrange(256)
        data = data[: dice.choice([len(data), len(data), dice.randrange(len(data))])]
        try:
            assert read_array(bytes(data)).size <= 100
        except Refused:
            refused += 1
    assert refused > 3000


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"layers": [], "tensors": []}, "too many layers"),
        ({"layers": [{}] * 3000, "tensors": []}, "too many layers"),
        ({"layers": 3, "tensors": []}, "no list"),
        ({"layers": [{"path": "a.b"}], "tensors": []}, "belongs to none"),
        ({"layers": [{"path": ""}, {"path": ""}], "tensors": []}, "strange name"),
        ({"layers": [{"path": "", "parameters": {"_x": 0}}], "tensors": []}, "parameter with"),
        ({"layers": [{"path": "", "parameters": {"a b": 0}}], "tensors": []}, "parameter with"),
        ({"layers": [{"path": "", "attributes": {"__class__": 0}}], "tensors": []}, "parameter"),
        ({"layers": [{"path": "x" * 400}], "tensors": []}, "strange name"),
    ],
)
def test_a_network_that_is_none_is_refused(spec, wanted):
    if isinstance(spec["layers"], list):
        parts = {"parameters": {}, "buffers": {}, "attributes": {}}
        spec["layers"] = [{**parts, **layer} for layer in spec["layers"]]
    with pytest.raises(Refused, match=wanted):
        wire.layers_of(spec)


def test_a_network_goes_over_with_its_ties_and_modes():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)).eval()
    net[2].weight = net[0].weight
    spec = Encoder().module(net)
    assert [layer["path"] for layer in wire.layers_of(spec)] == ["", "0", "1", "2"]
    assert len(spec["tensors"]) == 8  # not 9: one is shared
    assert not any(layer["training"] for layer in spec["layers"])


def test_what_is_too_large_or_too_deep_is_not_even_sent():
    with pytest.raises(AssertionError, match="million numbers"):
        Encoder()(torch.zeros(1).expand(10**9))
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(AssertionError, match="container"):
        Encoder()(deep)
