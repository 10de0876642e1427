"""Hostile notebooks: a cell before the answer, the answer, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.grading.kit import RIGHT

STUB = "def iou(*arguments, **options):\n    raise NotImplementedError()"
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


@dataclass
class Attack:
    """A hostile, or strange, submission.

    Attributes:
        before: A cell before the answer; COURSE stands for the folder of gradebook and submissions.
        answer: The answer.
        points: What it is worth: all for a right one, whatever the cell before it did.
        says: A text that a reason, or an output, holds.
        equal: Whether the class that equals everything is there.
        files: Lie beside the notebook.
    """

    before: str = ""
    answer: str = RIGHT
    points: float = 5
    says: str | tuple[str, ...] = ""
    equal: bool = False
    lab: str = "unet"
    name: str = "iou"
    files: dict[str, str] = field(default_factory=dict)


# For more points than the answer is worth.
GAIN = {
    "an object that equals everything": Attack(
        equal=True,
        answer="def iou(*a): return Equal()",
        points=0,
    ),
    "an object instead of a function": Attack(
        equal=True,
        answer="iou = Equal()",
        points=0,
    ),
    "an object that says that it is a tensor": Attack(
        equal=True,
        before="Equal.__class__ = property(lambda self: torch.Tensor)",
        answer="def iou(*a): return Equal()",
        points=0,
    ),
    "a number that equals everything": Attack(
        before="""
        class F(float):
            __eq__ = __lt__ = __le__ = lambda *a: True
            __sub__ = __rsub__ = __abs__ = lambda *a: F(0)
        """,
        answer="def iou(*a): return [F(0)] * 4",
        points=0,
    ),
    "a tensor that overrides isclose": Attack(
        before="""
        import torch
        class T(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if "close" in str(function) or "eq" in str(function):
                    return torch.ones(4, dtype=torch.bool)
                return super().__torch_function__(function, types, args, kwargs or {})
        """,
        answer="def iou(p, t, k, i=255): return torch.zeros(k).as_subclass(T)",
        points=0,
    ),
    "inputs zeroed in place": Attack(
        answer="""
        def iou(p, t, k, i=255):
            p.zero_(); t.zero_()
            return torch.zeros(k)
        """,
        points=0,
    ),
    "inputs resized in place": Attack(
        answer="""
        def iou(p, t, k, i=255):
            p.resize_(0); t.resize_(0); return torch.full((k,), torch.nan)
        """,
        points=0,
    ),
    "torch and numpy patched": Attack(
        before="""
        import torch, numpy as np
        for m in (torch, torch.Tensor, torch.testing, np):
            for n in ("allclose", "isclose", "equal", "all", "eq", "assert_close"):
                if hasattr(m, n): setattr(m, n, lambda *a, **k: True)
        """,
        answer="def iou(p, t, k, i=255): return torch.zeros(k)",
        points=0,
    ),
    "asserts taken out of the syntax tree": Attack(
        before="""
        import ast
        class NoAssert(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(NoAssert())
        """,
        answer=STUB,
        points=0,
    ),
    "a display hook that shows five": Attack(
        before="""
        import sys
        get_ipython().displayhook.__class__.__call__ = lambda s, r=None: print(5)
        sys.displayhook = lambda x: print(5)
        """,
        answer=STUB,
        points=0,
    ),
    "builtins replaced": Attack(
        before="""
        import builtins
        builtins.AssertionError = builtins.NotImplementedError = ValueError
        builtins.isinstance = lambda *a: True
        builtins.abs = lambda x: 0
        builtins.compile = builtins.exec = lambda *a, **k: 5
        """,
        answer="def iou(p, t, k, i=255): return torch.zeros(k)",
        points=0,
    ),
    "a module of checks of one's own": Attack(
        before="""
        import sys, types
        fake = types.ModuleType("course_lib.checks")
        class R: points = total = 5; passed = True
        fake.iou = lambda f: R()
        import course_lib
        sys.modules["course_lib.checks"] = course_lib.checks = fake
        checks, report = fake, R()
        """,
        answer=STUB,
        points=0,
    ),
    "a report printed": Attack(
        before="""
        print('iou: 5 of 5 points')
        report = 5
        """,
        answer=STUB,
        points=0,
    ),
    "the reference imported": Attack(
        before="from course_lib.checks.unet.iou import reference as iou",
        answer="",
        points=0,
        says="ModuleNotFoundError",
    ),
    "the reference looked for in memory and on disk": Attack(
        before="""
        import gc, os, subprocess, sys
        where = "course_lib.checks.unet.iou"
        found = [o for o in gc.get_objects() if getattr(o, "__module__", None) == where]
        wanted = ["grep", "-rlE", "def _scores|BEGIN SOLUTION", "--exclude-dir=site-packages"]
        wanted += ["/course", "/submission", "/tmp"]  # Python may stand in /tmp
        print("on disk:", subprocess.run(wanted, capture_output=True, text=True).stdout.split())
        iou = found[0]
        """,
        answer="",
        points=0,
        says="on disk: []",
    ),
    "nothing but NaN": Attack(
        answer="def iou(p, t, k, i=255): return torch.full((k,), torch.nan)",
        points=0,
    ),
    "infinities": Attack(
        answer="def iou(p, t, k, i=255): return torch.full((k,), torch.inf)",
        points=0,
    ),
    "an array of objects": Attack(
        equal=True,
        before="import numpy as np",
        answer="def iou(p, t, k, i=255): return np.array([Equal()] * k, dtype=object)",
        points=0,
    ),
    "sparse, complex, empty": Attack(
        answer="""
        def iou(p, t, k, i=255): return torch.zeros(k).to_sparse() if k == 4 else torch.zeros(0)
        """,
        points=0,
    ),
    "a function that answers with the wrong class of errors": Attack(
        answer="""
        def iou(*a):
            raise AssertionError('')
        """,
        points=0,
    ),
    "a keyboard interrupt raised": Attack(
        answer="""
        def iou(*a):
            raise KeyboardInterrupt
        """,
        points=0,
    ),
    "an exit": Attack(
        answer="""
        def iou(*a):
            raise SystemExit(0)
        """,
        points=0,
    ),
    "the end of a generator": Attack(
        answer="""
        def iou(*a):
            raise GeneratorExit
        """,
        points=0,
    ),
    "an error that cannot be shown": Attack(
        before="""
        class E(Exception):
            def __str__(self): raise self
            __repr__ = __str__
        """,
        answer="""
        def iou(*a):
            raise E
        """,
        points=0,
    ),
    "an error of a million letters": Attack(
        answer="""
        def iou(*a):
            raise ValueError('x' * 10**6)
        """,
        points=0,
    ),
    "no end of recursion": Attack(
        answer="""
        def iou(*a):
            return iou(*a)
        """,
        points=0,
        says="Recursion",
    ),
    "a test that looks who it is testing": Attack(
        answer="""
        def examine_iou(candidate):
            names = [candidate.__name__, repr(candidate), str(vars(candidate))]
            for n in ("__closure__", "__code__", "__wrapped__"):
                names.append(str(getattr(candidate, n, "")))
            assert not any("scores" in n or "mutant" in n for n in names)
        """,
        points=0,
        lab="judging",
        name="examine_iou",
    ),
    "a test that rejects whatever comes second": Attack(
        before="calls = []",
        answer="""
        def examine_iou(candidate):
            calls.append(1)
            assert len(calls) % 2
        """,
        points=0,
        lab="judging",
        name="examine_iou",
    ),
    "a test that lets the grader compute for ever": Attack(
        before="import torch",
        answer="""
        def examine_iou(candidate):
            x = torch.zeros(1, 4000, 4000, dtype=torch.long)
            candidate(x, x, 10**9)
        """,
        points=0,
        lab="judging",
        name="examine_iou",
    ),
    "answers that change with every call": Attack(
        before="""
        import itertools
        turns = itertools.cycle(['left', 'right', 'up', 'down', 3, None])
        """,
        answer="def shift_map(*a): return next(turns)",
        points=0,
        name="shift_map",
    ),
    "an array that overrides its functions": Attack(
        before="""
        import numpy as np
        class A(np.ndarray):
            def __array_ufunc__(self, *arguments, **options): return np.ones(4, dtype=bool)
            def __array_function__(self, *arguments): return True
        """,
        answer="def iou(p, t, k, i=255): return np.zeros(k).view(A)",
        points=0,
    ),
    "a tensor that answers for every operation": Attack(
        before="""
        import torch
        class D(torch.Tensor):
            @staticmethod
            def __new__(cls): return torch.Tensor._make_wrapper_subclass(cls, (4,))
            @classmethod
            def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
                return torch.ones(4, dtype=torch.bool)
        """,
        answer="def iou(p, t, k, i=255): return D()",
        points=0,
    ),
    "a text, a dictionary and a set": Attack(
        answer='def iou(p, t, k, i=255): return {"points": 5, 1: {2, 3}, None: (b"x", ...)}',
        points=0,
    ),
    "points in a global of every name": Attack(
        before="""
        import builtins
        points = total = 5
        passed = True
        for name in ("report", "checks", "points", "Report", "__grader__"):
            setattr(builtins, name, 5)
        """,
        answer=STUB,
        points=0,
    ),
    "a file that says what the points are": Attack(
        before="""
        import json
        for name in ("grades.json", "results.json", "report.json", "../grades.json"):
            open(name, "w").write(json.dumps({"iou-check": 5, "points": 5}))
        """,
        answer=STUB,
        points=0,
    ),
}

# Against the grader, the others, or the machine; the answer is mostly a right one.
HARM = {
    "a loop that never ends": Attack(
        before="while True: pass",
        says="stopped after 4 s",
    ),
    "a loop that swallows the interrupt": Attack(
        before="""
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
        says="stopped after 4 s",
    ),
    "a loop that is deaf to interrupts": Attack(
        before="""
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True: pass
        """,
        says="its kernel was ended",
    ),
    "a function that swallows the interrupt": Attack(
        answer="""
        def iou(*a):
            while True:
                try:
                    while True: pass
                except BaseException: pass
        """,
        points=0,
        says="was stopped after",
    ),
    "a crash": Attack(
        before="import ctypes; ctypes.string_at(0)",
        says="ended its own Python process",
    ),
    "sys.exit": Attack(
        before="import sys; sys.exit(3)",
    ),
    "all memory": Attack(
        before="""
        x = []
        try:
            while True: x.append(bytearray(10**9))
        finally:
            x.clear()  # or the answer finds nothing left, which is the attacker's own loss
        """,
        says=("MemoryError", "GB of memory"),  # its own limit, or the one who watches, is first
    ),
    "all memory, by many": Attack(
        before="""
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                x = bytearray(os.urandom(10)) * 10**8; time.sleep(99)
        time.sleep(99)
        """,
        says="of memory",
    ),
    "fifty megabytes in one line": Attack(
        before="print('x' * 50_000_000)",
    ),
    "lines without end": Attack(
        before="while True: print('y' * 200)",
        says="was stopped",
    ),
    "pictures without end": Attack(
        before="""
        from IPython.display import display
        while True: display({'image/png': 'A' * 10**6}, raw=True)
        """,
        says="was stopped",
    ),
    "everybody killed": Attack(
        before="""
        import os, signal
        for pid in (os.getppid(), -1, 1, *range(2, 3000)):
            if pid != os.getpid():
                try: os.kill(pid, signal.SIGKILL)
                except OSError: pass
        """,
    ),
    "a daemon": Attack(
        before="""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True: time.sleep(1)
            os._exit(0)
        """,
    ),
    "a fork bomb": Attack(
        before="""
        import os
        while True:
            try: os.fork()
            except OSError: pass
        """,
    ),
    "threads, atexit and __del__": Attack(
        before="""
        import atexit, threading, time, os
        class D:
            def __del__(self):
                while True: time.sleep(1)
        d = D()
        atexit.register(lambda: time.sleep(1000))
        [threading.Thread(target=lambda: time.sleep(1000)).start() for _ in range(9)]
        """,
    ),
    "other people's files": Attack(
        before="""
        import glob, os
        for base in (COURSE, '/', '..', '/home', '/root', '/work', '/tmp', '/dev/shm'):
            for where, _, names in os.walk(base):
                if where.startswith(("/usr", "/proc", "/lib", "/course")) or "python" in where:
                    continue
                for n in names:
                    try: print(open(os.path.join(where, n)).read()[:100])
                    except (OSError, UnicodeDecodeError): pass
        """,
    ),
    "the gradebook by its name": Attack(
        before="print(open(COURSE + '/gradebook.db').read())",
        says="FileNotFoundError",
    ),
    "grades written": Attack(
        before="""
        import os
        for name in ('gradebook.db', 'submitted/bob/iou.ipynb', 'source/iou.ipynb'):
            path = os.path.join(COURSE, name)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, 'w').write('100')
            except OSError: pass
        """,
    ),
    "the package changed": Attack(
        before="""
        import course_lib, os, torch
        for base in (course_lib, torch):
            try: open(base.__file__, 'a').write('#')
            except OSError as error: print('refused', error)
        """,
        says="refused",
    ),
    "start-up files and shadows": Attack(
        before="""
        import os
        os.makedirs(os.path.expanduser('~/.ipython/profile_default/startup'), exist_ok=True)
        open(os.path.expanduser('~/.ipython/profile_default/startup/x.py'), 'w').write('iou = 3')
        open('sitecustomize.py', 'w').write('raise SystemExit'); open('torch.py', 'w').write('x')
        """,
        files={"helper.py": "x = 1", "sitecustomize.py": "raise SystemExit"},
    ),
    "files that link out": Attack(
        before="""
        import os
        os.symlink(COURSE, 'link')
        print(os.listdir('link'))
        """,
        says="FileNotFoundError",
    ),
    "the network": Attack(
        before="""
        import socket
        for place in (('127.0.0.1', 22), ('192.0.2.1', 80), ('::1', 8888)):
            try: socket.create_connection(place, 1); print('reached', 1)
            except OSError: print('no way')
        """,
        says="no way",
    ),
    "/proc": Attack(
        before="""
        import glob
        for p in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
            try: print(open(p, errors='replace').read())
            except OSError: pass
        for p in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):
            try: open(p, 'w'); print('open ' + 'door')
            except OSError: print('closed door')
        """,
        says="closed door",
    ),
    "the environment": Attack(
        before="import os; print(dict(os.environ))",
    ),
    "the sockets removed": Attack(
        before="""
        import glob, os
        for p in glob.glob('/dev/shm/*/*') + glob.glob('/run/user/*/*/*') + glob.glob('/tmp/*/*'):
            try: os.unlink(p)
            except OSError: pass
        """,
    ),
    "the sockets' folder filled": Attack(
        before="""
        import glob, os, time
        d = os.path.dirname(get_ipython().kernel.config['IPKernelApp']['connection_file'])
        open(d + '/x', 'wb').write(b'0' * 30_000_000); time.sleep(3)
        """,
        says=("filled the folder", "Read-only file system"),
    ),
    "messages of one's own": Attack(
        before="""
        k = get_ipython().kernel
        for _ in range(50):
            for kind, content in (("status", {"execution_state": "idle"}), ("stream", {"name": 5}),
                                  ("error", {}), ("display_data", {"data": 3})):
                k.session.send(k.iopub_socket, kind, content, parent=k.get_parent())
        """,
    ),
    "input that nobody gives": Attack(
        before="input('password? ')",
        says="StdinNotImplementedError",
    ),
    "a signal handler that stays": Attack(
        before="""
        import signal
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1):
            signal.signal(s, signal.SIG_IGN)
        """,
    ),
    "the agent thrown away": Attack(
        before="""
        import sys, gc
        for n in list(sys.modules):
            if 'course_inside' in n: del sys.modules[n]
        sys.path[:] = []
        """,
        points=0,
    ),
    "the connection closed": Attack(
        before="""
        import os, socket
        for fd in range(3, 200):
            try:
                if os.fstat(fd).st_mode & 0o170000 == 0o140000: os.close(fd)
            except OSError: pass
        """,
    ),
    "a warning on stderr": Attack(
        before="""
        import warnings, sys
        warnings.warn('beware'); print('oh', file=sys.stderr)
        """,
        answer="""
        def iou(predictions, targets, num_classes, ignore_index=255):
            import sys; print('working', file=sys.stderr)
            valid = targets != ignore_index
            predictions, targets = predictions[valid], targets[valid]
            scores = []
            for k in range(num_classes):
                common = ((predictions == k) & (targets == k)).sum()
                scores.append(common / ((predictions == k) | (targets == k)).sum())
            return torch.stack(scores)
        """,
    ),
    "a result of a gigabyte": Attack(
        answer="def iou(p, t, k, i=255): return torch.zeros(1).expand(10**9)",
        points=0,
        says="million numbers",
    ),
    "a result that contains itself": Attack(
        answer="""
        def iou(*a):
            x = []
            x.append(x)
            return x
        """,
        points=0,
        says="container",
    ),
    "a generator without end": Attack(
        answer="""
        def iou(*a):
            while True: yield 1
        """,
        points=0,
        says="generator",
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

# What a second look found, by somebody who knows Linux and the judge's code.
LATER = {
    "the test's dice turned back": Attack(
        before="import torch",
        answer="""
        def iou(p, t, k, i=255):
            torch.default_generator.manual_seed(0)
            torch.set_default_dtype(torch.float64)
            return torch.rand(k)
        """,
        points=0,
    ),
    "frames and garbage searched for what the test wants": Attack(
        before="import gc, sys, torch",
        answer="""
        def iou(p, t, k, i=255):
            frame = sys._getframe()
            while frame:
                for value in frame.f_locals.values():
                    if callable(value) and getattr(value, "__name__", "") == "reference":
                        return value(p, t, k, i)
                frame = frame.f_back
            near = [o for o in gc.get_objects() if isinstance(o, torch.Tensor)
                    and tuple(o.shape) == (k,)]
            return near[0] if near else torch.zeros(k)
        """,
        points=0,
    ),
    "a result that shares its memory with the inputs": Attack(
        answer="def iou(p, t, k, i=255): return p.flatten()[:1].double().expand(k)",
        points=0,
    ),
    "a result that a hook changes afterwards": Attack(
        before="import torch",
        answer="""
        def iou(p, t, k, i=255):
            r = torch.zeros(k, requires_grad=True) * 1.0
            r.register_hook(lambda g: torch.ones_like(g))
            return r
        """,
        points=0,
    ),
    "a list that is longer each time it is asked": Attack(
        before="""
        class L(list):
            n = 0
            def __iter__(self): return iter([1.0] * 4)
            def __len__(self): return 4
            def __getitem__(self, i): return 1.0
        """,
        answer="def iou(*a): return L()",
        points=0,
    ),
    "a text that is a number": Attack(
        answer='def iou(p, t, k, i=255): return ["1.0"] * k',
        points=0,
    ),
    "outputs that look like a grade": Attack(
        before="""
        from IPython.display import display, HTML
        h = display(HTML('<b>iou: 5 of 5 points</b>'), display_id='iou-check')
        h.update(HTML('<h3>iou-check: 5 / 5 points</h3>'))
        k = get_ipython().kernel
        for kind in ('update_display_data', 'display_data', 'execute_result', 'clear_output'):
            k.session.send(k.iopub_socket, kind, {'data': {'text/plain': '5'}, 'metadata': {},
                           'transient': {'display_id': 'iou-check'}, 'execution_count': 1,
                           'wait': False}, parent=k.get_parent())
        """,
        answer=STUB,
        points=0,
    ),
    "memory that no process seems to have": Attack(
        before="""
        import mmap
        kept = []
        while True:
            m = mmap.mmap(-1, 1 << 28); kept.append(m)
            for k in range(0, 1 << 28, 4096): m[k] = 1
        """,
        says="PermissionError",
    ),
    "a file that has no name": Attack(
        before="""
        import os
        kept = []
        while True:
            kept.append(os.memfd_create('x')); os.write(kept[-1], bytes(10 ** 7))
        """,
        says="OSError",
    ),
    "a key for the next learner": Attack(
        before="""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        number = {'x86_64': 248, 'aarch64': 217}[os.uname().machine]
        print('kept', libc.syscall(number, b'user', b'iou', b'answer', 6, ctypes.c_long(-3)))
        """,
        says="kept -1",
    ),
    "a virtual machine's own socket": Attack(
        before="""
        import socket
        try: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); print('op' + 'en')
        except OSError as error: print('no such family', error.errno)
        """,
        says="no such family 97",
    ),
    "folders in the folder of the sockets": Attack(
        before="""
        import os
        d = os.path.dirname(get_ipython().kernel.config['IPKernelApp']['connection_file'])
        os.chdir(d)
        for _ in range(3000):
            os.mkdir('x'); os.chdir('x')
        """,
        says=("filled the folder", "Read-only file system"),
    ),
    "messages that answer nobody, without end": Attack(
        before="""
        import threading, time
        k = get_ipython().kernel
        def flood():
            while True:
                k.session.send(k.iopub_thread.socket, 'status', {'execution_state': 'busy'},
                               parent={'msg_id': 'x'})
        threading.Thread(target=flood, daemon=True).start()
        time.sleep(1000)
        """,
        says="was stopped",
    ),
    "a kernel that stops itself": Attack(
        before="import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        says="its kernel was ended",
    ),
    "a leap into the first process": Attack(
        before="""
        for name in ('mem', 'environ', 'root/etc', 'cwd', 'fd', 'maps'):
            try: print(name, str(open('/proc/1/' + name, 'r+b'))[:40])
            except OSError as error: print(name, 'shut', error.errno)
        """,
        says="mem shut",
    ),
    "bytecode and other copies of what is hidden": Attack(
        before="""
        import glob, sysconfig
        places = ['/course', sysconfig.get_paths()['purelib']]
        found = [f for p in places for f in glob.glob(p + '/course_lib/checks/*')]
        found += glob.glob('/course/**/__pycache__/*iou*', recursive=True)
        print('found', found)
        """,
        says="found []",
    ),
    "a lock on what everybody reads": Attack(
        before="""
        import fcntl, torch
        f = open(torch.__file__)
        try: fcntl.fcntl(f, 1024, fcntl.F_RDLCK); print('lea' + 'sed')
        except OSError as error: print('no lease', error.errno)
        """,
        says="no lease",
    ),
    "a hundred cells' worth of output in one kernel": Attack(
        before="""
        import sys
        for _ in range(60): sys.stdout.write('z' * 10 ** 6); sys.stdout.flush()
        """,
    ),
}

ATTACKS = {**GAIN, **HARM, **FORGED, **LATER}
