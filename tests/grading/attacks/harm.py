"""Against the grader, the others, or the machine; the answer is mostly a right one."""

from __future__ import annotations

from tests.grading.attacks.attack import Attack

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
        seconds=60.0,
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
        seconds=60.0,
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
