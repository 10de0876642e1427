"""The attacker takes the agent over: what it sends is of the attacker's making."""

from __future__ import annotations

from tests.grading.attacks.attack import Attack

SEND = """
import course_inside.line as line, course_inside.wire as wire, json, struct, torch
def raw(self, message, buffers=()):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    data = struct.pack(">II", len(text), len(buffers)) + text
    for b in buffers: data += struct.pack(">Q", len(b)) + b
    self.connection.sendall(data)
"""


def forged(body: str) -> Attack:
    """An agent that answers calls as the attacker likes: `number` is the question's."""
    code = SEND + "honest = line.Line._send\ndef send(self, message, buffers):\n"
    code += "    number = message.get('answers')\n    if 'value' not in message or number < 2:\n"
    code += "        return honest(self, message, buffers)\n"
    code += "".join(f"    {row}\n" for row in body.strip().splitlines())
    return Attack(code + "line.Line._send = send", "def iou(*a): return 1", 0)


HEADER = "header = ('{' + \"'descr': '%s', 'fortran_order': False, 'shape': (%s,), }\" % what)\n"
HEADER += "header = header.ljust(117).encode() + b'\\n'\n"
HEADER += "npy = b'\\x93NUMPY\\x01\\x00' + struct.pack('<H', len(header)) + header\n"
T = "{'answers': number, 'value': {'tensor': 0, 'dtype': 'float32', 'grad': False}}"

FORGED = {
    "an array of pickled objects": forged(
        "import pickle, os\nwhat = ('|O', 4)\n" + HEADER + "class X:\n"
        "    def __reduce__(self): return os.system, ('touch /tmp/owned',)\n"
        f"raw(self, {T}, [npy + pickle.dumps([X()] * 4)])"
    ),
    "an array that claims to be huge": forged(
        "what = ('<f4', 10**12)\n" + HEADER + f"raw(self, {T}, [npy + b'1234'])"
    ),
    "an array of a negative size": forged(
        "what = ('<f4', -4)\n" + HEADER + f"raw(self, {T}, [npy])"
    ),
    "a header that is a bomb": forged(
        f"raw(self, {T}, [b'\\x93NUMPY\\x01\\x00\\xff\\xff' + b'(' * 65535])"
    ),
    "truth values that are neither": forged(
        "what = ('|b1', 4)\n"
        + HEADER
        + "raw(self, {'answers': number, 'value': {'tensor': 0, 'dtype': 'bool', 'grad': False}}, "
        "[npy + b'\\x07' * 4])"
    ),
    "JSON 5,000 deep": forged("raw(self, b'[' * 5000 + b']' * 5000)"),
    "values 100 deep": forged(
        "v = []\nfor _ in range(100): v = [v]\nraw(self, {'answers': number, 'value': v})"
    ),
    "a million values": forged("raw(self, {'answers': number, 'value': [0] * 10**6})"),
    "no JSON": forged("raw(self, b'\\xff\\xfe{')"),
    "JSON of another kind": forged("raw(self, b'[]')"),
    "a message that claims 4 GB": forged(
        "self.connection.sendall(struct.pack('>II', 2**32 - 1, 0))"
    ),
    "an array that claims 2^60 bytes": forged(
        "head = struct.pack('>II', 2, 1) + b'{}'\n"
        "self.connection.sendall(head + struct.pack('>Q', 2**60))"
    ),
    "an answer to another question": forged("raw(self, {'answers': number + 1, 'value': 1})"),
    "an answer that never comes": forged("import time; time.sleep(1000)"),
    "a question for a name of the grader's": forged(
        "raw(self, {'op': 'get', 'name': 'checks', 'number': 1})\nself._receive()"
    ),
    "a call of what was never lent": forged(
        "raw(self, {'op': 'call', 'id': 1, 'number': 1, 'arguments': [], "
        "'options': {'dict': []}})\n"
        "honest(self, {'answers': number, 'value': str(self._receive())}, [])"
    ),
    "a graph that is not there": forged(
        "raw(self, {'op': 'pull back', 'node': 1, 'number': 1, 'arguments': [], 'options': "
        "{'dict': []}})\nself._receive()"
    ),
    "a node that is not there": forged("raw(self, {'answers': number, 'value': 1, 'node': 10**9})"),
    "questions without end": forged(
        "while True:\n        raw(self, {'op': 'call', 'id': 1, 'number': 1, 'arguments': [], "
        "'options': {'dict': []}}); self._receive()"
    ),
    "dice that are none": forged(
        "raw(self, {'answers': number, 'value': 1, 'dice': 0}, [b'\\xff' * 5056])"
    ),
    "arguments that come back as something else": forged(
        "raw(self, {'answers': number, 'value': 1, 'after': [[1, 'x', {'dict': []}], 3]})"
    ),
    "an error that interrupts the grader": forged(
        "raw(self, {'answers': number, 'error': {'type': 'KeyboardInterrupt', 'base': "
        "'KeyboardInterrupt', 'text': ''}})"
    ),
    "an error of a strange class": forged(
        "raw(self, {'answers': number, 'error': {'type': '__import__(1)', 'base': 3, 'text': []}})"
    ),
    "a network with strange names": forged(
        "layer = {'path': '', 'class': '__class__', 'torch': True, 'training': True, 'parameters': "
        "{'__init__': 0}, 'buffers': {}, 'attributes': {'forward': 1, '__class__': 2}}\n"
        "raw(self, {'answers': number, 'value': {'module': {'id': 1, 'layers': [layer], 'tensors': "
        "[]}}})"
    ),
    "a whole number of a million digits": forged(
        "raw(self, {'answers': number, 'value': {'int': '0x' + 'f' * 10**6}})"
    ),
}
