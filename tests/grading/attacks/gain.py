"""For more points than the answer is worth."""

from __future__ import annotations

from tests.grading.attacks.attack import STUB, Attack

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
