"""Which calls of the system a kernel in the sandbox may not make: a filter for Linux's seccomp.

Namespaces and limits leave ways open that this closes:

* memory that no process's limit counts: shared memory without a file, System V's and POSIX's;
* what has no namespace: keyrings (they are the grader's own), virtual machines' sockets (they reach
  whatever runs the machine), other kinds of sockets that are no files;
* parts of the system that see little use and much attack: io_uring, bpf, perf, userfaultfd;
* what would matter if a capability were left: mounts, namespaces, modules, other processes' memory.

Everything else is allowed. A forbidden call fails like on a system that does not have it. The
numbers of calls and their arguments are looked at, never what an address points to.

Sources: Linux, Documentation/userspace-api/seccomp_filter.rst and tools/scripts/syscall.tbl; which
calls: the default profile of Docker and the one of Flatpak.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# Numbers on x86_64 and on aarch64; None: there is no such call. From 424 on they are the same.
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "clone3": (435, 435),  # its flags lie behind an address; the C library then takes `clone`
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
SOCKET, MMAP, CLONE, FCNTL = (41, 198), (9, 222), (56, 220), (72, 25)
FAMILIES = (1, 2, 10, 16)  # files, and what a namespace of the network has: IP, interfaces
SHARED_ANONYMOUS = 0x21
NAMESPACES = 0x7E020000  # flags of clone: each kind of namespace
SETLEASE = 1024
X32 = 0x40000000

_LOAD, _EQUAL, _ATLEAST, _SET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH = 0, 4


def program(machine: str = "") -> bytes:
    """The filter, as the system takes it; empty where this machine's calls are not known.

    Args:
        machine: As `platform.machine` says it. Default: this one.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return b""
    place, arch = MACHINES[machine]
    refuse = _ERRNO | errno.EPERM
    rows: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),  # a call in another machine's way has other numbers
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        rows += [(_ATLEAST, 0, 1, X32), (_RETURN, 0, 0, refuse)]
    for numbers in FORBIDDEN.values():
        number = numbers[place]
        if number is not None:
            rows += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]

    def looked_at(number: int, argument: int, *test: tuple[int, int, int, int], error: int) -> None:
        """Where the call is this one: refuse it if the test of one argument holds."""
        body = [(_LOAD, 0, 0, 16 + 8 * argument), *test]
        body += [(_RETURN, 0, 0, _ERRNO | error), (_RETURN, 0, 0, _ALLOW)]
        rows.append((_EQUAL, 0, len(body), number))
        rows.extend(body)

    families = [(_EQUAL, len(FAMILIES) - i, 0, kind) for i, kind in enumerate(FAMILIES)]
    looked_at(SOCKET[place], 0, *families, error=errno.EAFNOSUPPORT)
    looked_at(
        MMAP[place],
        3,
        (_AND, 0, 0, SHARED_ANONYMOUS),
        (_EQUAL, 0, 1, SHARED_ANONYMOUS),
        error=errno.EPERM,
    )
    looked_at(CLONE[place], 0, (_SET, 0, 1, NAMESPACES), error=errno.EPERM)
    looked_at(FCNTL[place], 1, (_EQUAL, 0, 1, SETLEASE), error=errno.EPERM)
    rows.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *row) for row in rows)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("rows", ctypes.c_char_p))


def install() -> None:
    """Put the filter on this process and all that it starts, for good.

    Raises:
        OSError: The system does not take it.
    """
    rows = program()
    if not rows:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    given = _Program(len(rows) // 8, rows)
    if libc.prctl(22, 2, ctypes.byref(given), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        number = ctypes.get_errno()
        raise OSError(number, f"the filter of calls was not taken: {os.strerror(number)}")
