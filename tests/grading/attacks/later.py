"""What a second look found, by somebody who knows Linux and the judge's code."""

from __future__ import annotations

from tests.grading.attacks.attack import STUB, Attack

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
