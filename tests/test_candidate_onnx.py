"""ONNX candidates: asked in a process apart that has no network, no files, and little memory and time."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from monitor.candidates import CandidateError
from monitor.candidates.onnx import load_onnx
from monitor.candidates.onnx_process import CHILD, Limits
from tests.candidate_files import ACTIONS, LINEAR, linear, of, processes, states
from tests.onnx_files import (
    DOUBLE,
    FLOAT,
    TENSORS,
    constant,
    graph,
    heavy,
    logits,
    model,
    node,
    onnx,
    probabilities,
    value,
    whole,
)
from tests.onnx_files import LINEAR as STEPS


def test_logits_and_probabilities_are_what_the_same_network_says_as_json(tmp_path: Path) -> None:
    expected = of(f"linear:{linear(tmp_path, temperature=1.0)}").score(states(5000), ACTIONS).distribution
    assert expected is not None
    for content, answers in ((logits(), "logits"), (probabilities(), "probabilities")):
        scored = of(f"onnx:{onnx(tmp_path, content, answers=answers)}").score(states(5000), ACTIONS)
        assert scored.distribution is not None
        np.testing.assert_allclose(scored.distribution, expected, atol=1e-6)
        np.testing.assert_allclose(scored.distribution.sum(axis=1), 1, atol=1e-12)


def test_a_temperature_and_an_output_are_chosen_in_the_json(tmp_path: Path) -> None:
    two = model(graph([*STEPS, node("Neg", ["z"], ["y"])], TENSORS, outputs=[value("z", "n", 3), value("y", "n", 3)]))
    found = of(f"onnx:{onnx(tmp_path, two, output='z', temperature=2.0)}").probabilities(states(), ACTIONS)
    np.testing.assert_allclose(found, of(f"linear:{linear(tmp_path)}").probabilities(states(), ACTIONS), atol=1e-6)
    assert LINEAR["temperature"] == 2.0


def test_the_process_ends_with_the_candidate_and_never_has_the_network_or_a_file(tmp_path: Path) -> None:
    before = processes()
    candidate = of(f"onnx:{onnx(tmp_path)}")
    (pid,) = processes() - before
    assert not [file.path for file in psutil.Process(pid).open_files() if "v8" in file.path]
    assert "CHECKREIN" not in " ".join(psutil.Process(pid).environ())
    del candidate
    gc.collect()
    assert processes() <= before


@pytest.mark.parametrize(
    ("row", "answers", "reason"),
    [
        ([np.nan, 0.5, 0.5], "probabilities", "answered a number that is not finite"),
        ([np.inf, 0.5, 0.5], "logits", "answered a number that is not finite"),
        ([-0.5, 1.0, 0.5], "probabilities", r"answered -0\.5, a negative probability"),
        ([0.5, 0.25, 0.125], "probabilities", r"do not sum to 1 but to 0\.875"),
        ([0.5, 0.5], "probabilities", r"answered shape \[3, 2\] for 3 states and 3 actions"),
    ],
)
def test_an_answer_that_is_no_distribution_is_refused(
    tmp_path: Path, row: list[float], answers: str, reason: str
) -> None:
    candidate = of(f"onnx:{onnx(tmp_path, constant(row), answers=answers)}")
    with pytest.raises(CandidateError, match=reason):
        candidate.probabilities(states(3), ACTIONS)


@pytest.mark.parametrize(
    "of_state", [pytest.param(True, id="to answer"), pytest.param(False, id="to load", marks=pytest.mark.full)]
)
def test_a_network_that_takes_too_long_is_stopped(tmp_path: Path, of_state: bool) -> None:
    before = processes()
    limits = Limits(batch=1) if of_state else Limits(start=1)
    with pytest.raises(CandidateError, match=r"v8\.onnx: it took .*1 s.* and was stopped"):
        load_onnx("v8", onnx(tmp_path, heavy(1500, 3000, of_state)), limits=limits).probabilities(states(3), ACTIONS)
    assert processes() <= before


def test_a_network_that_eats_memory_fails_and_the_next_batch_is_answered(tmp_path: Path) -> None:
    candidate = of(f"onnx:{onnx(tmp_path, heavy(40_000, 0))}")
    with pytest.raises(CandidateError, match=r"v8\.onnx: failed to answer .*(alloc|memory)"):
        candidate.probabilities(states(3), ACTIONS)


ENCLOSED = """
import ctypes, json, os, platform, runpy, socket, struct, sys
child = runpy.run_path(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
all_may = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
libc.prctl(38, 1, 0, 0, 0)
taken = libc.syscall(317, 1, 0, ctypes.byref(Program(1, ctypes.addressof(all_may)))) == 0  # does this machine filter?
found = {"possible": taken and platform.machine() == "x86_64", "enforced": child["enclose"]()}
tries = {"socket": socket.socket, "open": lambda: open("/etc/passwd"), "program": lambda: os.execv("/bin/true", ["x"])}
tries |= {"fork": os.fork, "resolve": lambda: socket.getaddrinfo(b"localhost", 80)}
for name, action in tries.items():
    try:
        action()
        found[name] = "allowed"
    except PermissionError:
        found[name] = "refused"
native = {"socket": (libc.socket, 2, 1, 0), "open": (libc.open, b"/etc/passwd", 0), "unlink": (libc.unlink, b"/x")}
native |= {"fork": (libc.fork,), "kill": (libc.kill, os.getppid(), 0)}
for name, (call, *arguments) in native.items():
    found["native " + name] = "refused" if call(*arguments) == -1 and ctypes.get_errno() == 1 else "allowed"
os.write(1, json.dumps(found).encode())
"""


def test_the_process_gives_up_network_files_and_programs_also_in_native_code() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", ENCLOSED, CHILD], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    possible, enforced = found.pop("possible"), found.pop("enforced")
    native = {name: said for name, said in found.items() if name.startswith("native")}
    assert {said for name, said in found.items() if name not in native} == {"refused"}
    assert enforced == possible
    if enforced:
        assert set(native.values()) == {"refused"}, native


def runtime(folder: Path, load: str = "pass", run: str = "pass") -> Limits:
    """Return an interpreter with a runtime that does this in place of onnxruntime."""
    code = f"""
import sys, types, runpy, os, socket
import numpy as np
class Session:
    def __init__(self, network, settings, providers):
        {load}
    def get_inputs(self):
        return [types.SimpleNamespace(name="x", type="tensor(float)")]
    def run(self, names, given):
        {run}
        return [np.zeros((len(given["x"]), 3), np.float32)]
class Options:
    def add_session_config_entry(self, *_): pass
fake = sys.modules["onnxruntime"] = types.ModuleType("onnxruntime")
fake.SessionOptions, fake.InferenceSession = Options, Session
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    (folder / "runtime.py").write_text(code)
    return Limits(python=(sys.executable, str(folder / "runtime.py")))


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ("socket.socket()", "may not use the network, files or programs"),
        ("os.system('true')", "may not use the network, files or programs"),
        ("open('/etc/passwd')", "may not use the network, files or programs"),
        ("raise RuntimeError('\\x1b[2J' + 'x' * 5000)", r"onnxruntime cannot load it \(RuntimeError:  \[2Jx{250,270}$"),
        ("os._exit(7)", "its process ended with status 7$"),
        ("os.write(2, b'out of luck'); os._exit(1)", "status 1: out of luck$"),
        ("x = bytearray(2**33)", "onnxruntime cannot load it .MemoryError"),
    ],
    ids=["socket", "program", "file", "message", "dead", "told", "memory"],
)
def test_whatever_a_runtime_does_becomes_one_clear_line(tmp_path: Path, load: str, reason: str) -> None:
    with pytest.raises(CandidateError, match=reason):
        load_onnx("v8", onnx(tmp_path), limits=runtime(tmp_path, load))


def test_what_native_code_prints_does_not_come_between_the_answers(tmp_path: Path) -> None:
    noisy = runtime(tmp_path, run="os.write(1, b'R' * 20)")
    found = load_onnx("v8", onnx(tmp_path), limits=noisy).probabilities(states(9), ACTIONS)
    np.testing.assert_allclose(found, 1 / 3)


def test_a_process_that_died_is_started_again_but_not_for_ever(tmp_path: Path) -> None:
    dies = "os._exit(3) if len(given['x']) == 2 else None"
    candidate = load_onnx("v8", onnx(tmp_path), limits=runtime(tmp_path, run=dies))
    (tmp_path / "v8.onnx").unlink()  # what was checked is what is run
    for _ in range(3):
        np.testing.assert_allclose(candidate.probabilities(states(3), ACTIONS), 1 / 3)
        with pytest.raises(CandidateError, match=r"v8\.onnx: its process ended with status 3"):
            candidate.probabilities(states(2), ACTIONS)
    with pytest.raises(CandidateError, match="ended 3 times; it is not started again until the file changes"):
        candidate.probabilities(states(3), ACTIONS)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys, runpy; sys.modules['onnxruntime'] = None; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    with pytest.raises(CandidateError, match=r"checkrein\[onnx\]"):
        load_onnx("v8", onnx(tmp_path), limits=Limits(python=(sys.executable, "-c", code)))


def test_a_network_of_double_precision_is_asked_in_double_precision(tmp_path: Path) -> None:
    steps = [node("Cast", ["x"], ["f"], whole("to", FLOAT)), node("MatMul", ["f", "W"], ["xW"]), STEPS[1]]
    body = graph([*steps, node("Identity", ["z"], ["y"])], TENSORS, [value("x", "n", 2, kind=DOUBLE)])
    found = of(f"onnx:{onnx(tmp_path, model(body))}").probabilities(states(), ACTIONS)
    expected = of(f"linear:{linear(tmp_path, temperature=1.0)}").probabilities(states(), ACTIONS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


SIDECARS: list[tuple[dict[str, Any], str]] = [
    ({"answers": "actions"}, "answers must be one of logits, probabilities"),
    ({"answers": "probabilities", "temperature": 2.0}, "temperature is for logits"),
    ({"output": 3}, "output must be the name of an output"),
    ({"output": "q"}, "it has no output 'q'; its outputs are 'y'"),
    ({"features": ["inlet"], "mean": None, "scale": None}, r"has shape \[0, 2\]; expected \[states, 1\]"),
    ({"sha256": "0" * 64}, r"v8\.onnx: its SHA-256 is"),
    ({"code": "x"}, "unknown key 'code'"),
    ({"kind": "mlp"}, 'must be a JSON object with "kind": "onnx"'),
]


@pytest.mark.parametrize(("changes", "reason"), SIDECARS)
def test_a_json_that_does_not_fit_the_network_is_refused_by_field(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CandidateError, match=reason):
        of(f"onnx:{onnx(tmp_path, **changes)}")


def test_a_network_must_be_called_onnx(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match=r"must end in \.onnx"):
        of(f"onnx:{onnx(tmp_path).with_suffix('.json')}")
