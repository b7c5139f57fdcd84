"""The system call filter of a session, as a classic BPF program built here.

A deny list over the calls that are known, and `ENOSYS` for every call that came after this list was made, so that
a newer kernel opens nothing. Numbers: Linux's own tables, x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import Final

_DENIED: Final[dict[str, tuple[int, int | None]]] = {
    # Other processes' memory.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # Mounts and namespaces.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # Kernel interfaces with a history of defects, or of no use to a program that calculates.
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "nfsservctl": (180, 42),
    "_sysctl": (156, None),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # The machine.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    # Memory that no limit of the process counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # Sockets; a socket pair of the Unix family stays possible, asyncio needs one.
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
# `shutil.copy2` and `copytree` take ENOTSUP for "this file system has none" and give up at EPERM.
_XATTR: Final = (range(188, 197), range(5, 14))
_CLONE: Final = (56, 220)
_CLONE3: Final = 435
_SOCKETPAIR: Final = (53, 199)
_LAST_KNOWN: Final = 456
_NEW_NAMESPACE: Final = 0x7E020000
_AF_UNIX: Final = 1
_ARCHES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LD, _JEQ, _JGT, _JSET, _RET = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR_AT, _ARCH_AT, _ARG0_AT = 0, 4, 16


def supported() -> bool:
    """Whether this machine's architecture has a filter."""
    return platform.machine() in _ARCHES


def build(machine: str) -> bytes:
    """The filter's instructions (8 bytes each) for `x86_64` or `aarch64`."""
    column, audit_arch = _ARCHES[machine]
    code: list[tuple[int, int, int, int]] = [
        (_LD, 0, 0, _ARCH_AT),
        (_JEQ, 1, 0, audit_arch),
        (_RET, 0, 0, _KILL),
        (_LD, 0, 0, _NR_AT),
        # This also catches x86_64's x32 calls, whose numbers have bit 30 set.
        (_JGT, 0, 1, _LAST_KNOWN),
        (_RET, 0, 0, _ERRNO | errno.ENOSYS),
        # glibc falls back to clone, whose flags a filter can read.
        (_JEQ, 0, 1, _CLONE3),
        (_RET, 0, 0, _ERRNO | errno.ENOSYS),
        (_JEQ, 0, 4, _CLONE[column]),
        (_LD, 0, 0, _ARG0_AT),
        (_JSET, 0, 1, _NEW_NAMESPACE),
        (_RET, 0, 0, _ERRNO | errno.EPERM),
        (_RET, 0, 0, _ALLOW),
        (_JEQ, 0, 4, _SOCKETPAIR[column]),
        (_LD, 0, 0, _ARG0_AT),
        (_JEQ, 1, 0, _AF_UNIX),
        (_RET, 0, 0, _ERRNO | errno.EPERM),
        (_RET, 0, 0, _ALLOW),
    ]
    for number in _XATTR[column]:
        code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ERRNO | errno.ENOTSUP)]
    for numbers in _DENIED.values():
        if (denied := numbers[column]) is not None:
            code += [(_JEQ, 0, 1, denied), (_RET, 0, 0, _ERRNO | errno.EPERM)]
    code.append((_RET, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def install(code: bytes) -> None:
    """Put this process, and all it will start, under the filter for good; needs no_new_privs.

    Raises:
        OSError: the kernel refuses.
    """
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp filter refused")
