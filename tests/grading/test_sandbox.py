"""The sandbox holds: what is in it sees nothing, reaches nobody, uses little, and dies with it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

from course_lib.grading import bubblewrap, cgroup, sandbox
from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.inside import seccomp
from course_lib.grading.limits import GB, Limits
from course_lib.grading.private import remove
from course_lib.grading.sandbox import BubblewrapProvisioner
from course_lib.grading.template import Template

ROOT = Path(__file__).parents[2]
PATHS = sysconfig.get_paths()
needs = pytest.mark.sandbox


def inside(code: str, tmp_path: Path, timeout: float = 60, **options):
    """Run Python in the sandbox, without Jupyter; returns what it printed as JSON."""
    private = tmp_path / "private"
    private.mkdir(exist_ok=True)
    line = bubblewrap.command(
        [sys.executable, "-c", textwrap.dedent(code)], private=str(private), **options
    )
    done = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def leads(path: str, *shown: str) -> bool:
    """Whether it lies on the way to something that is shown: this Python may stand in /tmp."""
    return any(f"{place}/".startswith(f"{path}/") for place in shown)


@needs
def test_it_sees_python_the_package_and_its_own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    secret = tmp_path / "gradebook.db"
    secret.write_text("grades")
    seen = inside(
        f"""
        import course_lib, json, os
        package = os.path.dirname(course_lib.__file__)
        print(json.dumps({{
            "secret": os.path.exists({str(secret)!r}), "environment": "SECRET" in os.environ,
            "home": os.path.expanduser("~"), "tmp": os.listdir("/tmp"),
            "hidden": [os.listdir(f"{{package}}/{{r}}") for r in ("checks", "grading")],
            "models": len(os.listdir(f"{{package}}/models")) > 5,
            "metric": open(f"{{package}}/metrics/confusion.py").read(),
            "root": sorted(os.listdir({str(ROOT)!r})) if os.path.exists({str(ROOT)!r}) else [],
        }}))
        """,
        tmp_path,
        hidden=["course_lib.metrics.confusion"],
        environment=dict(os.environ),
    )
    assert not seen["secret"] and not seen["environment"]
    assert not [name for name in seen["root"] if not leads(f"{ROOT}/{name}", sys.prefix)]
    assert seen["home"] == "/learner" and seen["hidden"] == [[], []]
    assert seen["models"] and seen["metric"] == ""
    shown = (str(tmp_path), sys.prefix)
    assert not [name for name in seen["tmp"] if not leads(f"/tmp/{name}", *shown)]


@needs
def test_it_writes_nowhere_but_in_its_own_memory(tmp_path):
    seen = inside(
        """
        import json, os
        def may(path):
            try:
                open(path, "w").write("x")
                return True
            except OSError:
                return False
        import course_lib
        print(json.dumps([may(p) for p in (
            "/usr/x", os.__file__, course_lib.__file__, "/course/course_lib/checks/x", "/x.py",
            "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
            "/proc/self/oom_score_adj", "/dev/x", "/learner/x", "/tmp/x", "/dev/shm/x")]))
        """.replace('"x")', '"")'),  # opened for writing, and nothing written: for root's own sake
        tmp_path,
    )
    assert seen == [False] * 10 + [True] * 3


@needs
def test_it_reaches_no_network_and_no_process(tmp_path):
    seen = inside(
        f"""
        import json, os, signal, socket
        def may(call):
            try:
                call()
                return True
            except OSError:
                return False
        print(json.dumps({{
            "network": may(lambda: socket.create_connection(("127.0.0.1", 22), 1)),
            "outside": may(lambda: socket.create_connection(("192.0.2.1", 80), 1)),
            "parent": may(lambda: os.kill({os.getpid()}, 0)),
            "processes": [p for p in os.listdir("/proc") if p.isdigit()],
            "interfaces": [name for _, name in socket.if_nameindex()],
            "user": os.getuid(),
        }}))
        """,
        tmp_path,
    )
    assert not seen["network"] and not seen["outside"] and not seen["parent"]
    assert len(seen["processes"]) <= 3 and seen["interfaces"] == ["lo"] and seen["user"] != 0


@needs
def test_no_second_sandbox_and_no_capabilities(tmp_path):
    seen = inside(
        """
        import json, subprocess
        more = subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode
        status = dict(l.split(":", 1) for l in open("/proc/self/status") if ":" in l)
        print(json.dumps([more, int(status["CapEff"], 16), int(status["CapBnd"], 16)]))
        """,
        tmp_path,
    )
    assert seen[0] != 0 and seen[1:] == [0, 0]


@needs
def test_files_of_the_folder_are_copied_and_links_lead_nowhere(tmp_path):
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "data.txt").write_text("mine")
    (tmp_path / "other.txt").write_text("of somebody else")
    (folder / "link.txt").symlink_to(tmp_path / "other.txt")
    seen = inside(
        """
        import json, os
        open("data.txt", "a").write("!")
        print(json.dumps([sorted(os.listdir()), open("data.txt").read()]))
        """,
        tmp_path,
        folder=str(folder),
    )
    assert seen == [["data.txt"], "mine!"]
    assert (folder / "data.txt").read_text() == "mine"


@needs
def test_memory_disk_and_file_sizes_are_limited(tmp_path):
    seen = inside(
        """
        import json
        def may(call):
            try:
                call()
                return True
            except (MemoryError, OSError):
                return False
        def fill(folder, number):
            for i in range(number):
                open(f"{folder}/{i}", "wb").write(b"0" * 10_000_000)
        print(json.dumps([
            may(lambda: bytearray(2_200_000_000)),
            may(lambda: open("big", "wb").write(b"0" * 20_000_000)),
            *(may(lambda: fill(f, 3)) for f in ("/tmp", "/learner", "/dev/shm")),
        ]))
        """,
        tmp_path,
        limits=Limits(memory=GB, file_bytes=15_000_000, disk_bytes=25_000_000),
    )
    assert seen == [False] * 5


class Kernel:
    """A kernel in the sandbox."""

    def __init__(self, folder, template=None, **limits) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.provisioner = BubblewrapProvisioner(
            kernel_id="test", kernel_spec=self.manager.kernel_spec, parent=self.manager, **limits
        )
        self.manager.provisioner.template = template
        self.manager.start_kernel(cwd=str(folder))
        self.provisioner = self.manager.provisioner
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def run(self, code: str, timeout: float = 60) -> str:
        said = []
        self.client.execute_interactive(
            textwrap.dedent(code),
            timeout=timeout,
            output_hook=lambda m: said.append(m["content"].get("text", "")),
        )
        return "".join(said)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def warm():
    """The process from which kernels are forked."""
    template = Template()
    yield template
    template.close()


@pytest.fixture(params=["cold", "warm"])
def template(request):
    """None, or the warm process: what holds for one kind of kernel holds for the other."""
    return request.getfixturevalue("warm") if request.param == "warm" else None


def gone(process: psutil.Process, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@needs
@pytest.mark.slow
def test_a_kernel_runs_is_interrupted_and_leaves_nothing_behind(tmp_path, template):
    with Kernel(tmp_path, template) as kernel:
        assert kernel.run("print(6 * 7)").strip() == "42"
        kernel.client.execute("import time\nwhile True: time.sleep(0.1)")
        time.sleep(1)
        kernel.manager.interrupt_kernel()
        time.sleep(2)  # what comes with the error is not run
        assert kernel.run("print(1)").strip() == "1"
        kernel.run(
            """
            import os, time
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    while True: time.sleep(1)
                os._exit(0)
            """
        )
        everyone = [kernel.provisioner.init, *kernel.provisioner.init.children(recursive=True)]
        assert len(everyone) >= 3  # the first process, the kernel, the daemon
        private, group = kernel.provisioner.private, kernel.provisioner.group
    assert all(gone(process) for process in everyone)
    assert not os.path.exists(private) and (group is None or not group.folder.exists())


@needs
@pytest.mark.slow
def test_all_die_when_only_the_kernel_does(tmp_path, template):
    with Kernel(tmp_path, template) as kernel:
        init = kernel.provisioner.init
        kernel.client.execute(
            "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(1000)\nos._exit(3)"
        )
        assert gone(init)
        until = time.monotonic() + 5
        while kernel.manager.is_alive() and time.monotonic() < until:
            time.sleep(0.1)
        assert not kernel.manager.is_alive()


@needs
@pytest.mark.slow
def test_all_die_with_the_grader(tmp_path):
    code = f"""
        import runpy
        kernel = runpy.run_path({__file__!r})["Kernel"]({str(tmp_path)!r})
        print(kernel.provisioner.init.pid, flush=True)
        import time; time.sleep(1000)
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    init = psutil.Process(int(started.stdout.readline()))
    assert init.is_running()
    started.kill()
    started.wait()
    assert gone(init)


@needs
@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "code", "reason"),
    [
        ({"seconds": 8.0}, "import time; time.sleep(1000)", "ran longer than 8 s"),
        (
            {"memory": GB},
            """
            import os, time
            for _ in range(8):
                if os.fork() == 0:
                    kept = os.urandom(1) * 200_000_000
                    time.sleep(1000)
            time.sleep(1000)
            """,
            "more than 1.0 GB of memory",
        ),
        (
            {},
            "import os\nopen(os.path.dirname(os.environ.get('P') or __import__('sys').argv[2])"
            " + '/x', 'wb').write(b'0' * 40_000_000); import time; time.sleep(1000)",
            "filled the folder",
        ),
    ],
    ids=["time", "memory", "folder"],
)
def test_what_uses_too_much_is_ended_with_the_reason(tmp_path, template, limits, code, reason):
    with Kernel(tmp_path, template, **limits) as kernel:
        kernel.client.execute(textwrap.dedent(code))
        assert gone(kernel.provisioner.init, 20)
        assert reason in kernel.provisioner.reason


@needs
@pytest.mark.slow
def test_calls_of_the_system_that_escape_namespaces_or_limits_are_forbidden(tmp_path, template):
    code = """
        import ctypes, fcntl, json, mmap, os, socket, subprocess, torch
        libc = ctypes.CDLL(None, use_errno=True)
        def error(number, *arguments):
            result = libc.syscall(number, *arguments)
            return ctypes.get_errno() if result < 0 else f"made {number}"
        def why(call, *arguments):
            try:
                return str(call(*arguments))
            except OSError as error:
                return error.errno
        numbers = {
            "x86_64": (319, 29, 68, 240, 248, 249, 250, 425, 321, 298, 323, 294, 101, 310, 272),
            "aarch64": (279, 194, 186, 180, 217, 218, 219, 425, 280, 241, 282, 26, 117, 270, 97),
        }[os.uname().machine]
        kinds = {n: why(socket.socket, n, socket.SOCK_RAW) for n in (40, 38, 17, 31)}
        print(json.dumps({
            "none": [error(n, b"x", 0, 0, 0, 0) for n in numbers],
            "clone": why(lambda: libc.clone and error({"x86_64": 56, "aarch64": 220}[
                os.uname().machine], 0x10000000 | 17, 0, 0, 0, 0)),
            "shared": [why(mmap.mmap, -1, 4096),
                       why(lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096))],
            "lease": why(lambda: fcntl.fcntl(open(torch.__file__), 1024, 0)),
            "sockets": list(kinds.values()),
            "still": [len(mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)),
                      subprocess.run(["true"]).returncode, len(socket.socketpair()),
                      list(torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 9, 9)).shape)],
        }))
        """
    with Kernel(tmp_path, template) as kernel:
        seen = json.loads(kernel.run(code))
    assert seen["none"] == [38] * 15 and seen["clone"] == "1"  # there is none; not allowed
    assert seen["shared"][0] == 1 and seen["shared"][1] == 19 and seen["lease"] == 1
    assert seen["sockets"] == [97] * 4
    assert seen["still"] == [4096, 0, 2, [1, 8, 7, 7]]


def test_the_filter_knows_what_linux_calls_its_calls():
    """The numbers of this machine's own header, where it is there."""
    headers = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
    for place, (machine, name) in enumerate(headers.items()):
        assert len(seccomp.program(machine)) % 8 == 0 and len(seccomp.program(machine)) > 400
        path = Path("/usr/include", name)
        if not path.is_file():
            continue
        found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
        known = {word: int(number) for word, number in found}
        if machine == platform.machine() and "memfd_secret" not in known:
            continue  # headers older than the newest call
        wanted = {word: numbers[place] for word, numbers in seccomp.FORBIDDEN.items()}
        assert {word: known.get(word) for word in wanted} == wanted
        special = [known[word] for word in ("socket", "mmap", "clone", "fcntl")]
        mine = (seccomp.SOCKET, seccomp.MMAP, seccomp.CLONE, seccomp.FCNTL)
        assert special == [numbers[place] for numbers in mine]
    assert seccomp.program("riscv64") == b""


@needs
@pytest.mark.slow
def test_the_folder_of_the_sockets_takes_nothing_more(tmp_path, template):
    look = """
        import os
        place = os.path.dirname(get_ipython().kernel.config["IPKernelApp"]["connection_file"])
        for make in (os.mkdir, os.mknod, lambda path: os.symlink("/", path)):
            try:
                make(place + "/x"); print("made")
                os.rmdir(place + "/x")
            except OSError as error:
                print(error.errno)
        """
    with Kernel(tmp_path, template) as kernel:
        kernel.provisioner.lock()
        if template is not None:
            assert kernel.run(look).split() == ["30"] * 3  # a file system for reading only
            assert kernel.run("print(6 * 7)").strip() == "42"
        else:  # a folder in it could hold anything, and is not looked into
            kernel.client.execute(look.replace("rmdir", "listdir"))
            assert gone(kernel.provisioner.init, 20)
            assert "filled the folder" in kernel.provisioner.reason


@needs
@pytest.mark.slow
def test_sockets_without_end_are_ended(tmp_path, template):
    with Kernel(tmp_path, template) as kernel:
        kernel.client.execute(
            "import os, socket, time\nfor _ in range(7): os.fork() or time.sleep(0)\nkept = []\n"
            "while True:\n    try: kept.append(socket.socketpair())\n"
            "    except OSError: time.sleep(1)"
        )
        assert gone(kernel.provisioner.init, 30)
        assert "files and sockets" in kernel.provisioner.reason


def test_folders_in_folders_without_end_are_removed(tmp_path):
    """Python's own way gives up at a thousand."""
    place = tmp_path / "private"
    place.mkdir()
    made = "import os\nfor _ in range(5000): os.mkdir('x'); os.chdir('x')"
    subprocess.run([sys.executable, "-c", made], cwd=place, check=True)
    remove(str(place))
    assert not place.exists()


@needs
def test_the_bytecode_of_a_hidden_module_is_hidden(tmp_path, monkeypatch):
    package = tmp_path / "course_lib"
    for name in ("losses/secret.py", "losses/__init__.py", "metrics/other.py"):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("answer = 1")
    (package / "grading" / "inside").mkdir(parents=True)
    (package / "py.typed").touch()
    monkeypatch.setattr(bubblewrap.course_lib, "__file__", str(package / "__init__.py"))
    (package / "losses" / "__pycache__").mkdir()
    (package / "losses" / "__pycache__" / "secret.cpython-311.pyc").write_text("answer")
    seen = inside(
        """
        import json, os
        print(json.dumps([name for where, _, names in os.walk("/course") for name in names
                          if open(os.path.join(where, name)).read()]))
        """,
        tmp_path,
        hidden=["course_lib.losses.secret", "course_lib.metrics.other"],
    )
    assert sorted(seen) == ["__init__.py"]
    assert (package / "metrics" / "__pycache__").is_dir()  # covered before there is anything in it


def test_no_package_is_made_up_where_there_is_none(tmp_path, monkeypatch):
    """An empty folder of the package's name would be found in place of one installed to change."""
    monkeypatch.setattr(
        bubblewrap.sysconfig, "get_paths", lambda: {**PATHS, "purelib": str(tmp_path)}
    )
    hidden = ["course_lib.metrics.confusion"]
    bubblewrap.command(["true"], private=str(tmp_path), hidden=hidden, environment={})
    assert not list(tmp_path.iterdir())


@needs
@pytest.mark.slow
def test_a_fork_bomb_stays_small(tmp_path, template):
    with Kernel(tmp_path, template, tasks=40) as kernel:
        kernel.client.execute(
            "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        )
        most, until = 0, time.monotonic() + 3
        while time.monotonic() < until and kernel.provisioner.init.is_running():
            try:
                most = max(most, len(kernel.provisioner.init.children(recursive=True)))
            except psutil.Error:
                break
            time.sleep(0.05)
        init = kernel.provisioner.init
    assert most <= (40 if kernel.provisioner.group else 2_000)
    assert gone(init)


@needs
@pytest.mark.slow
def test_a_forked_kernel_is_a_world_of_its_own(tmp_path, warm):
    (tmp_path / "data.txt").write_text("mine")
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    look = """
        import json, os, socket
        status = dict(l.split(":", 1) for l in open("/proc/self/status") if ":" in l)
        first = dict(l.split(":", 1) for l in open("/proc/1/status") if ":" in l)
        base = os.path.dirname(os.path.dirname(
            get_ipython().kernel.config["IPKernelApp"]["connection_file"]))
        def may(path):
            try:
                open(path, "w")
                return True
            except OSError:
                return False
        print(json.dumps({
            "files": sorted(os.listdir()), "tmp": os.listdir("/tmp"), "host": os.listdir("/host"),
            "processes": sorted(p for p in os.listdir("/proc") if p.isdigit()),
            "capabilities": [int(x[k], 16) for x in (status, first)
                             for k in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")],
            "privileges": status["NoNewPrivs"].strip(),
            "kernels": os.listdir(base), "me": os.environ.get("HOME"),
            "dice": __import__("random").random(),
            "write": [may(p) for p in ("/x", "/dev/x", "/proc/sys/kernel/core_pattern",
                      "/host/x", "/course/x", "/usr/x")],
            "interfaces": [name for _, name in socket.if_nameindex()],
        }))
        open("/tmp/left", "w").write("x"); open(os.path.expanduser("~/left"), "w").write("x")
        """
    with Kernel(tmp_path, warm) as one, Kernel(tmp_path, warm) as two:
        seen = [json.loads(kernel.run(look)) for kernel in (one, two, one)]
    assert seen[0]["files"] == ["data.txt"] and seen[0]["host"] == []
    found = [[name for name in one["tmp"] if not leads(f"/tmp/{name}", sys.prefix)] for one in seen]
    assert found == [[], [], ["left"]]
    for what in seen[:2]:
        assert what["processes"] == ["1", "2"] and what["capabilities"] == [0] * 10
        assert what["privileges"] == "1" and what["me"] == "/learner"
        assert len(what["kernels"]) == 1 and what["write"] == [False] * 6
        assert what["interfaces"] == ["lo"]
    assert seen[0]["dice"] != seen[1]["dice"] and seen[0]["kernels"] != seen[1]["kernels"]


@needs
@pytest.mark.slow
def test_a_forked_kernel_makes_no_namespace_and_uncovers_nothing(tmp_path, warm):
    with Kernel(tmp_path, warm) as kernel:
        said = kernel.run(
            """
            import ctypes
            libc = ctypes.CDLL(None)
            print([libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x20000000)],
                  [libc.umount2(p, 0) for p in (b"/tmp", b"/host", b"/proc", b"/dev/shm")],
                  libc.mount(b"proc", b"/tmp", b"proc", 0, None))
            """
        )
    assert said.strip() == "[-1, -1, -1] [-1, -1, -1, -1] -1"


@needs
@pytest.mark.slow
def test_a_forked_kernel_is_there_sooner_than_a_cold_one_with_torch(tmp_path, warm):
    def seconds(template):
        started = time.monotonic()
        with Kernel(tmp_path, template) as kernel:
            assert kernel.run("import torch; print(torch.zeros(1).item())").strip() == "0.0"
        return time.monotonic() - started

    assert min(seconds(warm) for _ in range(2)) < seconds(None) / 2


@needs
@pytest.mark.slow
def test_a_forked_kernel_reads_what_was_shown_below_tmp_and_nothing_else_there(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="a project ") as place:
        shown, hidden = Path(place, "shown"), Path(place, "shown", "hidden")
        hidden.mkdir(parents=True)
        for name in ("shown/a.txt", "shown/hidden/b.txt", "one.txt", "other.txt"):
            Path(place, name).write_text("it is read")
        template = Template(readable=[str(shown), f"{place}/one.txt"], hidden=[str(hidden)])
        try:
            with Kernel(tmp_path, template) as kernel:
                said = kernel.run(f"""
                    import os
                    place = {place!r}
                    print(open(f"{{place}}/shown/a.txt").read(), open(f"{{place}}/one.txt").read())
                    print(sorted(os.listdir(place)), os.listdir(f"{{place}}/shown/hidden"))
                    for name in ("shown/a.txt", "shown/new.txt", "one.txt"):
                        try:
                            open(f"{{place}}/{{name}}", "a").write("harm")
                        except OSError as error:
                            print(type(error).__name__, error.errno)
                    """)
        finally:
            template.close()
        assert said.splitlines() == [
            "it is read it is read",
            "['one.txt', 'shown'] []",
            *["OSError 30"] * 3,  # a file system for reading only
        ]


@needs
@pytest.mark.slow
def test_a_warm_process_that_is_gone_is_said_to_be(tmp_path):
    template = Template()
    with Kernel(tmp_path, template) as kernel:
        template.close()
        assert gone(kernel.provisioner.init)
    with pytest.raises(SandboxError, match="is gone"):
        template.connect()


def test_where_there_is_no_bubblewrap(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match=r"apt install bubblewrap.*--no-sandbox"):
        sandbox.require_sandbox()
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    with pytest.raises(SandboxError, match=r"Linux only, and this is darwin.*--no-sandbox"):
        sandbox.require_sandbox()


def test_where_user_namespaces_are_forbidden(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r"uid map: Permission denied.*sysctl"):
        sandbox.require_sandbox()


def test_limits_that_no_kernel_lives_with_are_refused():
    with pytest.raises(ValueError, match="raise them"):
        Limits(memory=1)


def test_a_control_group_of_version_2(monkeypatch, tmp_path):
    own = tmp_path / "user.slice"
    own.mkdir()
    monkeypatch.setattr(cgroup, "_own_groups", lambda: ["0::/user.slice"])
    assert cgroup.make_group(GB, 40, root=tmp_path) is None, "no controllers: no files to write"
    assert list(own.iterdir()) == []
    real = Path.mkdir

    def with_files(self, *arguments, **options):
        real(self, *arguments, **options)
        for name in ("memory.max", "pids.max", "memory.oom.group"):
            (self / name).touch()
        (self / "memory.events").write_text("oom 1\noom_kill 0\n")

    monkeypatch.setattr(Path, "mkdir", with_files)
    group = cgroup.make_group(GB, 40, root=tmp_path)
    assert group is not None and group.memory and not group.ran_out()
    assert (group.folder / "memory.max").read_text() == str(GB)
    assert (group.folder / "pids.max").read_text() == "40"
    (group.folder / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert group.ran_out()
