"""Every file of a candidate policy that is refused, and that refusing it runs nothing and waits for nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from monitor.candidates import CandidateError
from monitor.candidates.files import MAX_BYTES
from tests.candidate_files import ACTIONS, linear, mlp, network, of, states


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weights": [[0.0, 0.0], [1.0, 1.0]]}, "weights has shape"),
        ({"weights": [[0.0], [1.0, 1.0], [1.0, 1.0]]}, "weights has rows of different length"),
        ({"weights": [["0", "0"], ["1", "1"], ["1", "1"]]}, "weights must hold numbers only"),
        ({"weights": [[0.0, float("nan")]] * 3}, "contains NaN"),
        ({"bias": [1e999, 0.0, 0.0]}, "contains Infinity"),
        ({"bias": [0.0]}, "bias has shape"),
        ({"scale": [0.0, 1.0]}, "scale must be above 0"),
        ({"temperature": -1.0}, "temperature must be above 0"),
        ({"temperature": "hot"}, "temperature must hold numbers only"),
        ({"actions": ["hold", "hold", "heat"]}, "actions names something twice"),
        ({"actions": []}, "actions must be a list of names"),
        ({"features": "inlet"}, "features must be a list of names"),
        ({"kind": "pickle"}, "must be a JSON object"),
        ({"wieghts": 1}, "unknown key 'wieghts'"),
        ({"weights": None}, "weights is missing"),
    ],
)
def test_a_linear_file_that_does_not_fit_is_refused_by_field(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CandidateError, match=reason):
        of(f"linear:{linear(tmp_path, **changes)}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x04}.", "not usable JSON"),
        (b"[" * 200_000, "not usable JSON"),
        (b"[]", "must be a JSON object"),
        (b"", "not usable JSON"),
    ],
)
def test_a_linear_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "policy.json").write_bytes(content)
    with pytest.raises(CandidateError, match=reason):
        of("linear:policy.json", tmp_path)


def test_a_missing_file_a_directory_and_a_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("nope.json", "cannot be read"), (".", "not a regular file"), ("pipe", "not a regular file")):
        with pytest.raises(CandidateError, match=reason):
            of(f"linear:{name}", tmp_path)


def test_a_file_over_the_size_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: no disk is used
    with pytest.raises(CandidateError, match="at most"):
        of("linear:huge.json", tmp_path)


def test_finite_weights_that_overflow_are_refused_when_they_answer(tmp_path: Path) -> None:
    candidate = of(f"linear:{linear(tmp_path, weights=[[1e308, 1e308]] * 3, scale=[1e-3, 1e-3])}")
    with pytest.raises(CandidateError, match="not finite"):
        candidate.probabilities(states(5), ACTIONS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layers": [8]}, r"tensor 4\.bias is missing or not part"),
        ({"layers": [8, 5]}, r"2\.weight has shape"),
        ({"layers": 8}, "layers must be a list"),
        ({"layers": [0, 4]}, "layers must be a list"),
        ({"layers": [8, True]}, "layers must be a list"),
        ({"activation": "exec"}, "activation is 'exec'"),
        ({"sha256": "0" * 64}, "its SHA-256 is"),
        ({"features": ["inlet", "load", "more"], "mean": None, "scale": None}, r"0\.weight has shape"),
    ],
)
def test_an_mlp_whose_parts_do_not_fit_is_refused_by_field(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CandidateError, match=reason):
        of(f"mlp:{mlp(tmp_path / 'v8', **changes)}")


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    folder = mlp(tmp_path / "v8", sha256=None)
    tensors = network().state_dict()
    tensors["0.weight"][0, 0] = float("nan")
    save_file(tensors, folder / "policy.safetensors")
    with pytest.raises(CandidateError, match=r"0\.weight has a number that is not finite"):
        of(f"mlp:{folder}")


def header(length: int, text: bytes = b"") -> bytes:
    return length.to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a safetensors file"),
        (header(2**40, b"{}"), "not a safetensors file"),
        (header(3 * 2**20) + b" " * (3 * 2**20), "its header has 3,145,728 bytes"),
        (header(2, b"{}") + b"more", "not a valid safetensors file"),
        (header(2, b"[]"), "not a valid safetensors file"),
        (header(9, b'{"a":1}  '), "not a valid safetensors file"),
        (header(60, b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}     '), "not a valid safetensors file"),
    ],
)
def test_a_broken_or_oversized_safetensors_header_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    folder = mlp(tmp_path / "v8", sha256=None)
    (folder / "policy.safetensors").write_bytes(content)
    with pytest.raises(CandidateError, match=reason):
        of(f"mlp:{folder}")


@pytest.mark.parametrize(
    "content",
    [
        b"cposix\nmkdir\np0\n(Vunpickled\np1\ntp2\nRp3\n.",
        b"cposix\nmkdir\nq\x00(X\t\x00\x00\x00unpickledq\x01tq\x02Rq\x03.",
        b"\x80\x02cposix\nmkdir\nq\x00X\t\x00\x00\x00unpickledq\x01\x85q\x02Rq\x03.",
        b"\x80\x03cposix\nmkdir\nq\x00X\t\x00\x00\x00unpickledq\x01\x85q\x02Rq\x03.",
        b"\x80\x04\x95#\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x05mkdir\x94\x93\x94\x8c\tunpickled\x94\x85\x94R\x94.",
        b"\x80\x05\x95#\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x05mkdir\x94\x93\x94\x8c\tunpickled\x94\x85\x94R\x94.",
    ],
    ids=[f"protocol {number}" for number in range(6)],
)
def test_a_pickle_renamed_to_safetensors_is_refused_and_never_run(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pickle makes the folder ``unpickled`` when it is loaded."""
    monkeypatch.chdir(tmp_path)
    folder = mlp(tmp_path / "v8", sha256=None)
    (folder / "policy.safetensors").write_bytes(content)
    with pytest.raises(CandidateError, match="not a safetensors file"):
        of(f"mlp:{folder}")
    assert not Path("unpickled").exists()


def test_a_torch_save_file_is_refused(tmp_path: Path) -> None:
    folder = mlp(tmp_path / "v8", sha256=None)
    torch.save(network().state_dict(), folder / "policy.safetensors")
    with pytest.raises(CandidateError, match="not a safetensors file"):
        of(f"mlp:{folder}")


def test_tensors_of_an_odd_type_are_refused(tmp_path: Path) -> None:
    folder = mlp(tmp_path / "v8", sha256=None)
    save_file({"0.weight": torch.zeros(3, 2, dtype=torch.int32)}, folder / "policy.safetensors")
    with pytest.raises(CandidateError, match="save them as float32"):
        of(f"mlp:{folder}")
