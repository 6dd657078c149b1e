"""The process that runs one ONNX network: numbers in, numbers out, and nothing else.

Run as a file, with nothing of ours on its path. It limits its own memory and processor time, gives up network, files
and programs for good, and only then reads the network, which comes through the pipe. A frame is a letter, a length of
eight bytes and so many bytes; a batch and an answer are float64, row by row.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import sys
from typing import Any

SAID = 300  # characters of what went wrong
_ERRORS = 2**16  # bytes that may be written to standard error
_REFUSED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "open")

# What arithmetic needs on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl); everything else answers "not permitted".
_ALLOWED = {
    "read write close fstat lseek": (0, 1, 3, 5, 8),
    "mmap mprotect munmap brk mremap madvise": (9, 10, 11, 12, 25, 28),
    "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack": (13, 14, 15, 131),
    "sched_yield nanosleep clock_nanosleep restart_syscall": (24, 35, 230, 219),
    "getpid gettid getrusage times sched_getaffinity sysinfo uname": (39, 186, 98, 100, 204, 99, 63),
    "gettimeofday clock_gettime clock_getres getrandom": (96, 228, 229, 318),
    "futex set_robust_list rseq membarrier": (202, 273, 334, 324),
    "getrlimit prlimit64 exit exit_group": (97, 302, 60, 231),
}
_X86_64 = 0xC000003E
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def limit(memory: int) -> None:
    """Bound memory, written files and open files; a limit that a system does not have is not set there."""
    import resource

    for name, value in (("AS", memory), ("FSIZE", _ERRORS), ("CORE", 0), ("NOFILE", 64)):
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def work_for(seconds: int) -> None:
    """Die after so much more processor time: also when whoever watches the clock is gone."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft, hard = int(used.ru_utime + used.ru_stime) + seconds + 1, resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def enclose() -> bool:
    """Give up network, files and programs for good; returns whether the kernel enforces it.

    Python's own calls are refused by an audit hook everywhere; on Linux on x86-64 a seccomp filter also binds native
    code, in every thread. Reading and writing what is open already, memory and time stay.
    """
    sys.addaudithook(_refuse)
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return False
    numbers = [number for group in _ALLOWED.values() for number in group]
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _X86_64), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    steps += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode, every_thread = 38, 317, 1, 1
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    return bool(libc.syscall(seccomp, filter_mode, every_thread, ctypes.byref(program)) == 0)


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a candidate's process may not use the network, files or programs ({event})")


class Pipe:
    """Frames over two file descriptors."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target

    def receive(self) -> bytes | None:
        """Return the next frame's bytes; None at the end."""
        length = self._bytes(8)
        return None if length is None else self._bytes(int.from_bytes(length, "little"))

    def _bytes(self, length: int) -> bytes | None:
        found = bytearray()
        while len(found) < length:
            piece = os.read(self._source, min(length - len(found), 2**20))
            if not piece:
                return None
            found += piece
        return bytes(found)

    def tell(self, letter: bytes, content: bytes = b"") -> None:
        """Write a frame."""
        rest = memoryview(letter + len(content).to_bytes(8, "little") + content)
        while rest:
            rest = rest[os.write(self._target, rest) :]

    def fail(self, said: str) -> None:
        """Write an error as one line of plain text: parts of it come from a stranger's file."""
        plain = "".join(letter if letter.isprintable() else " " for letter in said)
        self.tell(b"E", plain[:SAID].encode("utf-8", "replace"))


def main(options: dict[str, Any]) -> int:
    """Answer batches until the pipe ends."""
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what native code prints must not come between the answers
    limit(options["memory"])
    try:
        import numpy as np
        import onnxruntime
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        install = 'onnx candidates need onnxruntime: install it with pip install "checkrein[onnx]"'
        pipe.fail(install if missing else f"onnxruntime cannot be loaded ({type(error).__name__}: {error})")
        return 1
    enclose()
    network = pipe.receive()
    try:
        work_for(options["start"])
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 4
        settings.add_session_config_entry("session.load_model_format", "ONNX")  # not whatever the bytes look like
        session = onnxruntime.InferenceSession(network, settings, providers=["CPUExecutionProvider"])
        (taken,) = session.get_inputs()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside a library is told
        pipe.fail(f"onnxruntime cannot load it ({type(error).__name__}: {error})")
        return 1
    kind = np.float64 if taken.type == "tensor(double)" else np.float32
    pipe.tell(b"R")
    while (batch := pipe.receive()) is not None:
        try:
            work_for(options["batch"])
            with np.errstate(over="ignore"):
                states = np.frombuffer(batch, np.float64).reshape(-1, options["features"]).astype(kind)
            answer = session.run([options["output"]], {taken.name: states})[0]
            shape = (len(states), options["actions"])
            if not isinstance(answer, np.ndarray) or answer.dtype not in (np.float32, np.float64):
                pipe.fail(f"answered {getattr(answer, 'dtype', type(answer).__name__)}, not one table of numbers")
            elif answer.shape != shape:
                pipe.fail(f"answered shape {list(answer.shape)} for {shape[0]} states and {shape[1]} actions")
            else:
                pipe.tell(b"A", np.ascontiguousarray(answer, np.float64).tobytes())
        except Exception as error:  # noqa: BLE001
            pipe.fail(f"failed to answer ({type(error).__name__}: {error})")
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
