"""What runs in the kernel before and after a notebook's cells: what was read, what did it cost?

Never part of a notebook that anyone sees: the runner adds these cells to a temporary copy.
"""

from __future__ import annotations

BEFORE = r"""
import sys as _sys

_course_opened = set()


def _course_hook(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    path, mode, flags = (*arguments, None, None, None)[:3]
    if isinstance(mode, str) and any(letter in mode for letter in "wax+"):
        return
    if mode is None and isinstance(flags, int) and flags & 3:
        return
    try:
        import os

        text = os.fsdecode(path)
        if text.startswith(_course_roots):
            _course_opened.add(text)
        elif not os.path.isabs(text):
            _course_opened.add(os.path.abspath(text))
    except Exception:
        pass


import os as _os

_course_roots = tuple(__ROOTS__)
_sys.addaudithook(_course_hook)
"""

AFTER = r"""
def _course_report():
    import importlib.metadata
    import json
    import platform
    import sys
    import time

    modules = {
        module.__file__
        for module in list(sys.modules.values())
        if isinstance(getattr(module, "__file__", None), str)
        and module.__file__.startswith(_course_roots)
    }
    peak = None
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
    except OSError:
        import psutil

        memory = psutil.Process().memory_info()
        peak = getattr(memory, "peak_wset", None)
        if peak is None:
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    device, gpu_peak = platform.machine(), 0
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        device, gpu_peak = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()
    versions = {"python": platform.python_version()}
    for name in __VERSIONS__:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    print(
        json.dumps(
            {
                "opened": sorted(_course_opened),
                "modules": sorted(modules),
                "peak_bytes": peak,
                "gpu_peak_bytes": gpu_peak,
                "cpu_seconds": time.process_time(),
                "device": device,
                "versions": versions,
            }
        )
    )


_course_report()
"""

# Their versions decide whether an execution is still good, and stand on the status page.
VERSIONS = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pillow",
    "matplotlib",
    "ipywidgets",
    "ipykernel",
    "accelerate",
    "torchmetrics",
    "scikit-image",
    "scikit-learn",
    "segmentation-models-pytorch",
)


def before(roots: list[str]) -> str:
    """The first cell: records which files below `roots` are opened to be read."""
    return BEFORE.replace("__ROOTS__", repr(roots))


def after() -> str:
    """The last cell: prints what was seen, as one JSON object."""
    return AFTER.replace("__VERSIONS__", repr(VERSIONS))
