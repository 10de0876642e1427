"""Attacks: whoever tries gains nothing, learns nothing and harms nobody.

Each attack is a notebook. It is judged, and then an honest learner's is, with the same settings. An
attack has the points that its answer is worth, an honest one all of them; every file in reach, a
gradebook, another submission, the exercise's source, is what it was; no secret is in the outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from course_lib.checks import ALL
from course_lib.grading.judge import Settings, judge
from course_lib.grading.sandbox import GB, MB, Limits, Template
from tests.grading import kit

pytestmark = [pytest.mark.adversarial, pytest.mark.sandbox, pytest.mark.slow]

SECRET = "sesame-93716"
RIGHT = kit.RIGHT
STUB = "def iou(*arguments, **options):\n    raise NotImplementedError()"
SETTINGS = Settings(
    cell_seconds=4.0,
    restarts=1,
    limits=Limits(memory=2 * GB, tasks=64, disk_bytes=64 * MB, file_bytes=32 * MB),
)


@dataclass
class Attack:
    """A cell before the answer, the answer, and what that is worth.

    Attributes:
        says: A text that a reason, or an output, holds.
        files: Lie beside the notebook.
    """

    before: str = ""
    answer: str = RIGHT
    points: float = 5
    says: str = ""
    lab: str = "unet"
    name: str = "iou"
    files: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """A course with a gradebook and another submission, whose places the attacker knows."""
    course = tmp_path / "course"
    for name in ("gradebook.db", "submitted/bob/iou.ipynb", "source/iou.ipynb", ".ipython/x.py"):
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    monkeypatch.setenv("COURSE_SECRET", SECRET)
    monkeypatch.setenv("ATTACKED", str(course))
    return course


def fingerprint(*folders: Path) -> dict[str, str]:
    """Every file, with a hash of what is in it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def everybody() -> set[int]:
    """Processes below this one."""
    return {p.pid for p in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def template():
    """Kernels are forked, as they are for a class."""
    made = Template()
    yield made
    made.close()


def judged(attack: Attack, template: Template | None, folder: Path | None = None):
    source = kit.source(attack.lab, attack.name)
    made = kit.submission(source, attack.answer, before=attack.before)
    settings = replace(SETTINGS, template=template)
    return judge(made, source, settings, folder=str(folder) if folder else None)


def tried(attack: Attack, surroundings: Path, tmp_path: Path, template: Template | None):
    """Judge the attack and then an honest learner; see that nothing else has changed."""
    folder = tmp_path / "handed-in"
    folder.mkdir()
    for name, text in attack.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    attack.before = attack.before.replace("COURSE", repr(str(surroundings)))
    watched = (surroundings, folder, kit.ROOT / "notebooks" / "exercises" / "unet")
    package = (kit.ROOT / "course_lib" / "checks", kit.ROOT / "course_lib" / "grading")
    before, running = fingerprint(*watched, *package), everybody()
    environment, directory = dict(os.environ), os.getcwd()
    result = judged(attack, template, folder)
    assert fingerprint(*watched, *package) == before
    assert (dict(os.environ), os.getcwd()) == (environment, directory)
    until = time.monotonic() + 5
    while everybody() - running and time.monotonic() < until:
        time.sleep(0.1)
    assert everybody() <= running, "a process is left"
    (question,) = result.questions
    text = json.dumps(result.notebook) + str(question)
    assert SECRET not in text
    assert len(text) < 4 * MB, "the outputs are cut"
    assert question.points == attack.points, question
    assert attack.says in text, text[-3000:]
    (honest,) = judged(Attack(), template).questions
    assert (honest.points, honest.message, honest.hint) == (5, "", "")
    assert fingerprint(*watched, *package) == before
    return result


EQUAL = """
class Equal:
    shape, dtype, ndim, requires_grad = (4,), None, 1, True
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self] * 4)
    def __len__(self): return 4
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __sub__ = __rsub__ = __add__ = __mul__ = __abs__ = __getitem__ = __invert__ = __call__
"""

GAIN = {
    "an object that equals everything": Attack(EQUAL, "def iou(*a): return Equal()", 0),
    "an object instead of a function": Attack(EQUAL, "iou = Equal()", 0),
    "an object that says that it is a tensor": Attack(
        EQUAL + "Equal.__class__ = property(lambda self: torch.Tensor)",
        "def iou(*a): return Equal()",
        0,
    ),
    "a number that equals everything": Attack(
        "class F(float):\n    __eq__ = __lt__ = __le__ = lambda *a: True\n"
        "    __sub__ = __rsub__ = __abs__ = lambda *a: F(0)",
        "def iou(*a): return [F(0)] * 4",
        0,
    ),
    "a tensor that overrides isclose": Attack(
        """
        import torch
        class T(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if "close" in str(function) or "eq" in str(function):
                    return torch.ones(4, dtype=torch.bool)
                return super().__torch_function__(function, types, args, kwargs or {})
        """,
        "def iou(p, t, k, i=255): return torch.zeros(k).as_subclass(T)",
        0,
    ),
    "inputs zeroed in place": Attack(
        "",
        "def iou(p, t, k, i=255):\n    p.zero_(); t.zero_()\n    return torch.zeros(k)",
        0,
    ),
    "inputs resized in place": Attack(
        "",
        "def iou(p, t, k, i=255):\n    p.resize_(0); t.resize_(0); return torch.full((k,), torch.nan)",
        0,
    ),
    "torch and numpy patched": Attack(
        """
        import torch, numpy as np
        for m in (torch, torch.Tensor, torch.testing, np):
            for n in ("allclose", "isclose", "equal", "all", "eq", "assert_close"):
                if hasattr(m, n): setattr(m, n, lambda *a, **k: True)
        """,
        "def iou(p, t, k, i=255): return torch.zeros(k)",
        0,
    ),
    "asserts taken out of the syntax tree": Attack(
        """
        import ast
        class NoAssert(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(NoAssert())
        """,
        STUB,
        0,
    ),
    "a display hook that shows five": Attack(
        "import sys\nget_ipython().displayhook.__class__.__call__ = lambda s, r=None: print(5)\n"
        "sys.displayhook = lambda x: print(5)",
        STUB,
        0,
    ),
    "builtins replaced": Attack(
        "import builtins\nbuiltins.AssertionError = builtins.NotImplementedError = ValueError\n"
        "builtins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0\n"
        "builtins.compile = builtins.exec = lambda *a, **k: 5",
        "def iou(p, t, k, i=255): return torch.zeros(k)",
        0,
    ),
    "a module of checks of one's own": Attack(
        """
        import sys, types
        fake = types.ModuleType("course_lib.checks")
        class R: points = total = 5; passed = True
        fake.iou = lambda f: R()
        import course_lib
        sys.modules["course_lib.checks"] = course_lib.checks = fake
        checks, report = fake, R()
        """,
        STUB,
        0,
    ),
    "a report printed": Attack("print('iou: 5 of 5 points')\nreport = 5", STUB, 0),
    "the reference imported": Attack(
        "from course_lib.checks.unet.iou import reference as iou", "", 0, says="ModuleNotFoundError"
    ),
    "the reference looked for in memory and on disk": Attack(
        """
        import gc, os, subprocess, sys
        found = [o for o in gc.get_objects() if getattr(o, "__module__", None) == "course_lib.checks.unet.iou"]
        names = subprocess.run(["grep", "-rlE", "def .*_scores|BEGIN SOLUTION", "/opt/course"], capture_output=True, text=True).stdout
        iou = found[0]
        """,
        "",
        0,
        says="IndexError",
    ),
    "nothing but NaN": Attack("", "def iou(p, t, k, i=255): return torch.full((k,), torch.nan)", 0),
    "infinities": Attack("", "def iou(p, t, k, i=255): return torch.full((k,), torch.inf)", 0),
    "an array of objects": Attack(
        EQUAL + "import numpy as np",
        "def iou(p, t, k, i=255): return np.array([Equal()] * k, dtype=object)",
        0,
    ),
    "sparse, complex, empty": Attack(
        "",
        "def iou(p, t, k, i=255): return torch.zeros(k).to_sparse() if k == 4 else torch.zeros(0)",
        0,
    ),
    "a function that answers with the wrong class of errors": Attack(
        "", "def iou(*a):\n    raise AssertionError('')", 0
    ),
    "a keyboard interrupt raised": Attack("", "def iou(*a):\n    raise KeyboardInterrupt", 0),
    "an exit": Attack("", "def iou(*a):\n    raise SystemExit(0)", 0),
    "the end of a generator": Attack("", "def iou(*a):\n    raise GeneratorExit", 0),
    "an error that cannot be shown": Attack(
        "class E(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__",
        "def iou(*a):\n    raise E",
        0,
    ),
    "an error of a million letters": Attack(
        "", "def iou(*a):\n    raise ValueError('x' * 10**6)", 0
    ),
    "no end of recursion": Attack("", "def iou(*a):\n    return iou(*a)", 0, says="Recursion"),
    "a test that looks who it is testing": Attack(
        "",
        """
        def examine_iou(candidate):
            names = [candidate.__name__, repr(candidate), str(vars(candidate))]
            names += [str(getattr(candidate, n, "")) for n in ("__closure__", "__code__", "__wrapped__")]
            assert not any("scores" in n or "mutant" in n for n in names)
        """,
        0,
        lab="judging",
        name="examine_iou",
    ),
    "a test that rejects whatever comes second": Attack(
        "calls = []",
        "def examine_iou(candidate):\n    calls.append(1)\n    assert len(calls) % 2",
        0,
        lab="judging",
        name="examine_iou",
    ),
    "a test that lets the grader compute for ever": Attack(
        "import torch",
        "def examine_iou(candidate):\n"
        "    x = torch.zeros(1, 4000, 4000, dtype=torch.long)\n    candidate(x, x, 10**9)",
        0,
        lab="judging",
        name="examine_iou",
    ),
    "answers that change with every call": Attack(
        "import itertools\nturns = itertools.cycle(['left', 'right', 'up', 'down', 3, None])",
        "def shift_map(*a): return next(turns)",
        0,
        name="shift_map",
    ),
}

# The attacker takes the agent over: what it sends is of the attacker's making.
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
        "t = b'{}'\nself.connection.sendall(struct.pack('>II', 2, 1) + t + struct.pack('>Q', 2**60))"
    ),
    "an answer to another question": forged("raw(self, {'answers': number + 1, 'value': 1})"),
    "an answer that never comes": forged("import time; time.sleep(1000)"),
    "a question for a name of the grader's": forged(
        "raw(self, {'op': 'get', 'name': 'checks', 'number': 1})\nself._receive()"
    ),
    "a call of what was never lent": forged(
        "raw(self, {'op': 'call', 'id': 1, 'number': 1, 'arguments': [], 'options': {'dict': []}})\n"
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

HARM = {
    "a loop that never ends": Attack("while True: pass", says="stopped after 4 s"),
    "a loop that swallows the interrupt": Attack(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        says="its kernel was ended",
    ),
    "a function that swallows the interrupt": Attack(
        "",
        "def iou(*a):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass",
        0,
        says="was stopped after",
    ),
    "a crash": Attack("import ctypes; ctypes.string_at(0)", says="ended its own Python process"),
    "sys.exit": Attack("import sys; sys.exit(3)"),
    "all memory": Attack("x = []\nwhile True: x.append(bytearray(10**8))", says="MemoryError"),
    "all memory, by many": Attack(
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
        "        x = bytearray(os.urandom(10)) * 10**8; time.sleep(99)\ntime.sleep(99)",
        says="of memory",
    ),
    "fifty megabytes in one line": Attack("print('x' * 50_000_000)"),
    "lines without end": Attack("while True: print('y' * 200)", says="Stopped"),
    "pictures without end": Attack(
        "from IPython.display import display\nwhile True: display({'image/png': 'A' * 10**6}, raw=True)",
        says="Stopped",
    ),
    "everybody killed": Attack(
        "import os, signal\nfor pid in (os.getppid(), -1, 1, *range(2, 3000)):\n"
        "    if pid != os.getpid():\n        try: os.kill(pid, signal.SIGKILL)\n"
        "        except OSError: pass",
    ),
    "a daemon": Attack(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: time.sleep(1)\n    os._exit(0)",
    ),
    "a fork bomb": Attack("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    "threads, atexit and __del__": Attack(
        "import atexit, threading, time, os\nclass D:\n    def __del__(self):\n        while True: time.sleep(1)\n"
        "d = D()\natexit.register(lambda: time.sleep(1000))\n"
        "[threading.Thread(target=lambda: time.sleep(1000)).start() for _ in range(9)]",
    ),
    "other people's files": Attack(
        "import glob, os\nfor base in (COURSE, '/', '..', '/home', '/root', '/work', '/tmp', '/dev/shm'):\n"
        "    for where, _, names in os.walk(base):\n        if where.startswith(('/usr', '/proc', '/sys', '/lib', '/opt')) or 'site-packages' in where or '.venv' in where or '.pyenv' in where: continue\n"
        "        for n in names:\n            try: print(open(os.path.join(where, n)).read()[:100])\n"
        "            except (OSError, UnicodeDecodeError): pass",
    ),
    "the gradebook by its name": Attack(
        "print(open(COURSE + '/gradebook.db').read())", says="FileNotFoundError"
    ),
    "grades written": Attack(
        "import os\nfor name in ('gradebook.db', 'submitted/bob/iou.ipynb', 'source/iou.ipynb'):\n"
        "    path = os.path.join(COURSE, name)\n    try:\n        os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "        open(path, 'w').write('100')\n    except OSError: pass",
    ),
    "the package changed": Attack(
        "import course_lib, os, torch\nfor base in (course_lib, torch):\n    try: open(base.__file__, 'a').write('#')\n"
        "    except OSError as error: print('refused', error)",
        says="refused",
    ),
    "start-up files and shadows": Attack(
        "import os\nos.makedirs(os.path.expanduser('~/.ipython/profile_default/startup'), exist_ok=True)\n"
        "open(os.path.expanduser('~/.ipython/profile_default/startup/x.py'), 'w').write('iou = 3')\n"
        "open('sitecustomize.py', 'w').write('raise SystemExit'); open('torch.py', 'w').write('x')",
        files={"helper.py": "x = 1", "sitecustomize.py": "raise SystemExit"},
    ),
    "files that link out": Attack(
        "import os\nos.symlink(COURSE, 'link')\nprint(os.listdir('link'))", says="FileNotFoundError"
    ),
    "the network": Attack(
        "import socket\nfor place in (('127.0.0.1', 22), ('192.0.2.1', 80), ('::1', 8888)):\n"
        "    try: socket.create_connection(place, 1); print('reached', 1)\n    except OSError: print('no way')",
        says="no way",
    ),
    "/proc": Attack(
        "import glob\nfor p in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: print(open(p, errors='replace').read())\n    except OSError: pass\n"
        "for p in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):\n"
        "    try: open(p, 'w'); print('open ' + 'door')\n    except OSError: print('closed door')",
        says="closed door",
    ),
    "the environment": Attack("import os; print(dict(os.environ))"),
    "the sockets removed": Attack(
        "import glob, os\nfor p in glob.glob('/dev/shm/*/*') + glob.glob('/run/user/*/*/*') + glob.glob('/tmp/*/*'):\n"
        "    try: os.unlink(p)\n    except OSError: pass",
    ),
    "the sockets' folder filled": Attack(
        "import glob, os, time\nd = os.path.dirname(get_ipython().kernel.config['IPKernelApp']['connection_file'])\n"
        "open(d + '/x', 'wb').write(b'0' * 30_000_000); time.sleep(3)",
        says="filled the folder",
    ),
    "messages of one's own": Attack(
        "k = get_ipython().kernel\nfor _ in range(50):\n"
        "    k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent=k.get_parent())\n"
        "    k.session.send(k.iopub_socket, 'stream', {'name': 5}, parent=k.get_parent())\n"
        "    k.session.send(k.iopub_socket, 'error', {}, parent=k.get_parent())\n"
        "    k.session.send(k.iopub_socket, 'display_data', {'data': 3}, parent=k.get_parent())",
    ),
    "input that nobody gives": Attack("input('password? ')", says="StdinNotImplementedError"),
    "a signal handler that stays": Attack(
        "import signal\nfor s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1):\n"
        "    signal.signal(s, signal.SIG_IGN)",
    ),
    "the agent thrown away": Attack(
        "import sys, gc\nfor n in list(sys.modules):\n    if 'course_inside' in n: del sys.modules[n]\n"
        "sys.path[:] = []",
        points=0,
    ),
    "the connection closed": Attack(
        "import os, socket\nfor fd in range(3, 200):\n    try:\n"
        "        if os.fstat(fd).st_mode & 0o170000 == 0o140000: os.close(fd)\n    except OSError: pass",
        points=0,
    ),
    "a warning on stderr": Attack(
        "import warnings, sys\nwarnings.warn('beware'); print('oh', file=sys.stderr)",
        RIGHT.replace("    valid", "    import sys; print('working', file=sys.stderr)\n    valid"),
    ),
    "a result of a gigabyte": Attack(
        "",
        "def iou(p, t, k, i=255): return torch.zeros(1).expand(10**9)",
        0,
        says="million numbers",
    ),
    "a result that contains itself": Attack(
        "", "def iou(*a):\n    x = []\n    x.append(x)\n    return x", 0, says="container"
    ),
    "a generator without end": Attack(
        "", "def iou(*a):\n    while True: yield 1", 0, says="generator"
    ),
}

ATTACKS = {**GAIN, **FORGED, **HARM}


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    for name in ("iou", "examine_iou"):
        monkeypatch.setattr(ALL[name], "seconds", 3.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_harms_nobody(name, surroundings, tmp_path, template):
    tried(replace(ATTACKS[name]), surroundings, tmp_path, template)


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 50
