"""Files that attack: nothing in them is run, waited for or believed, and the policy that serves goes on landing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.torch import save

from monitor import settings
from monitor.candidates import CandidateError, load
from monitor.candidates.files import MAX_JSON
from monitor.candidates.fingerprint import fingerprint
from tests.candidate_files import ACTIONS, bomb, linear, mlp, network, of, states
from tests.onnx_files import onnx
from tests.test_candidate_kinds import BETA, GAUSSIAN, LINUCB, TABLE

JSON_KINDS = {"table": TABLE, "linucb": LINUCB, "thompson": GAUSSIAN}


def zipped(name: str, content: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(name, content)
    return found.getvalue()


def objects(content: bytes) -> bytes:
    """Return a .npy file of an array of objects."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "pickle": lambda bomb: bomb,
    "torch.save": lambda bomb: zipped("archive/data.pkl", bomb),
    "npy": objects,
    "npz": lambda bomb: zipped("0.weight.npy", objects(bomb)),
    "joblib": lambda bomb: b"\x80\x04" + bomb,
    "safetensors": lambda bomb: save(network().state_dict(), {"__class__": bomb.decode(), "pickle": bomb.hex()}),
    "json": lambda bomb: json.dumps({"kind": "pickle", "py/object": bomb.decode()}).encode(),
}


def kinds(folder: Path) -> dict[str, tuple[str, Path]]:
    """Return each file that a candidate is loaded from, with the configuration that loads it."""
    found = {kind: (f"{kind}:{kind}.json", folder / f"{kind}.json") for kind in ("linear", *JSON_KINDS)}
    (folder / "onnx").mkdir()
    v8, tensors = onnx(folder / "onnx"), mlp(folder / "mlp", sha256=None) / "policy.safetensors"
    found |= {"mlp": ("mlp:mlp", tensors), "mlp json": ("mlp:mlp", tensors.with_suffix(".json"))}
    found |= {"onnx": ("onnx:onnx/v8.onnx", v8), "onnx json": ("onnx:onnx/v8.onnx", v8.with_suffix(".json"))}
    return found


@pytest.mark.parametrize("kind", ["linear", *JSON_KINDS, "mlp", "mlp json", "onnx", "onnx json"])
def test_a_pickle_in_any_wrapping_is_never_loaded(tmp_path: Path, kind: str) -> None:
    spec, path = kinds(tmp_path)[kind]
    marker = tmp_path / "unpickled"
    for name, wrap in WRAPPINGS.items():
        path.write_bytes(wrap(bomb(marker)))
        if (kind, name) == ("mlp", "safetensors"):  # it is what it says, and its metadata is nobody's business
            assert np.isfinite(of(spec, tmp_path).probabilities(states(3), ACTIONS)).all()
        else:
            with pytest.raises(CandidateError, match=path.name):
                of(spec, tmp_path)
        assert not marker.exists(), name


def test_the_pickle_that_the_tests_use_does_go_off(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(bomb(tmp_path / "unpickled"))
    subprocess.run([sys.executable, "-m", "pickle", tmp_path / "bomb"], check=True, capture_output=True)
    assert (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"kind": "table", "kind": "table"}', "not usable JSON: it has the key 'kind' twice"),
        (b'{"kind": "table", "x": {"a": 1, "a": 2}}', "it has the key 'a' twice"),
        (b'{"a":' * 100_000, "not usable JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "not usable JSON"),
        (b'{"kind": "table", "default": [NaN]}', "contains NaN"),
        (b'{"kind": "table", "default": [-Infinity]}', "contains -Infinity"),
        (b'{"kind": "table", "default": [1' + b"0" * 5000 + b"]}", "not usable JSON"),
        (json.dumps(TABLE).encode()[:-2], "not usable JSON"),
        (json.dumps(TABLE).encode("utf-16"), "not usable JSON"),
        (json.dumps(TABLE).replace("0.25", "1e999").encode(), "default has a number that is not finite"),
        (json.dumps(TABLE).replace("0.25", "1" + "0" * 400).encode(), "default must hold numbers only"),
        (json.dumps({**TABLE, "\x1b[2J": 1}).encode(), r"unknown key '\\x1b\[2J'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_json_that_readers_could_take_in_two_ways_or_choke_on_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "v8.json").write_bytes(content)
    with pytest.raises(CandidateError, match=rf"v8\.json: .*{reason}"):
        of("table:v8.json", tmp_path)


def test_a_safetensors_header_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    folder = mlp(tmp_path / "v8", sha256=None)
    good = (folder / "policy.safetensors").read_bytes()
    length = int.from_bytes(good[:8], "little")
    header = good[8 : 8 + length].rstrip()[:-1] + b',"0.bias":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}'
    (folder / "policy.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + good[8 + length :])
    with pytest.raises(CandidateError, match=r"policy\.safetensors: .*the key '0\.bias' twice"):
        of(f"mlp:{folder}")


@pytest.mark.parametrize("kind", ["linear", *JSON_KINDS, "mlp", "mlp json", "onnx", "onnx json"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path, kind: str) -> None:
    spec, path = kinds(tmp_path)[kind]
    configured = settings.Candidate(policy=spec)
    path.unlink(missing_ok=True)

    def link(target: str) -> Callable[[], None]:
        return lambda: path.symlink_to(target)

    def listen() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))

    makes: dict[str, Callable[[], None]] = {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "socket": listen}
    makes |= {target: link(target) for target in ("/dev/zero", "/proc/self/mem", str(path), "../gone")}
    opened = len(os.listdir("/proc/self/fd"))
    for name, make in makes.items():
        make()
        with pytest.raises(CandidateError, match=rf"{path.name}: (not a regular file|cannot be read)"):
            load("v8", configured, tmp_path)
        assert len(fingerprint(configured, tmp_path)) == 16, name
        path.rmdir() if name == "folder" else path.unlink()
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    """Mounted ConfigMaps are links of links."""
    (tmp_path / "..data").mkdir()
    linear(tmp_path / "..data")
    (tmp_path / "current.json").symlink_to("..data/policy.json")
    assert np.isfinite(of("linear:current.json", tmp_path).probabilities(states(3), ACTIONS)).all()


def test_a_json_over_the_size_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for spec, path in kinds(tmp_path).values():
        if path.suffix == ".json":
            with path.open("wb") as file:
                file.truncate(MAX_JSON + 1)  # sparse: no disk is used
            with pytest.raises(CandidateError, match=r"16,777,217 bytes; .* at most 16,777,216"):
                of(spec, tmp_path)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for spec in ("table:a\0b", "linear:" + "x" * 300, "onnx:\0.onnx"):
        with pytest.raises(CandidateError, match=r"no file has such a name|cannot be read"):
            of(spec, tmp_path)
        assert fingerprint(settings.Candidate(policy=spec), tmp_path)


def vouched(spec: str, path: Path, digest: str | None = None) -> settings.Candidate:
    return settings.Candidate(policy=spec, sha256=digest or hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("kind", ["linear", *JSON_KINDS, "mlp json", "onnx json"])
def test_the_configurations_hash_is_compared_before_anything_is_parsed(tmp_path: Path, kind: str) -> None:
    spec, path = kinds(tmp_path)[kind]
    path.write_bytes(b'{"kind": not even json')
    with pytest.raises(CandidateError, match=rf"{path.name}: its SHA-256 is [0-9a-f]{{64}}, but 0{{64}} was expected"):
        load("v8", vouched(spec, path, "0" * 64), tmp_path)
    with pytest.raises(CandidateError, match="not usable JSON"):
        load("v8", vouched(spec, path), tmp_path)


@pytest.mark.parametrize("kind", ["mlp", "onnx"])
def test_a_json_that_the_configuration_vouches_for_must_vouch_for_its_weights(tmp_path: Path, kind: str) -> None:
    spec, weights = kinds(tmp_path)[kind]
    beside = weights.with_suffix(".json")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(CandidateError, match=rf"{beside.name}: sha256 is missing; .* {digest}"):
        load("v8", vouched(spec, beside), tmp_path)
    beside.write_text(json.dumps({**json.loads(beside.read_text()), "sha256": digest}))
    assert load("v8", vouched(spec, beside), tmp_path).probabilities(states(3), ACTIONS).shape == (3,)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CandidateError, match=rf"{weights.name}: its SHA-256 is"):
        load("v8", vouched(spec, beside), tmp_path)


def test_a_hash_is_of_a_file_and_is_part_of_who_a_candidate_is(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="sha256 is of a file, but column:c is in the log"):
        load("v8", settings.Candidate(policy="column:c", sha256="0" * 64), tmp_path)
    with pytest.raises(ValidationError, match="sha256"):
        settings.Candidate(policy="linear:a.json", sha256="abc")
    bare, named = (settings.Candidate(policy="linear:a.json", sha256=digest) for digest in (None, "0" * 64))
    assert fingerprint(bare, tmp_path) != fingerprint(named, tmp_path)


def test_both_files_of_a_network_make_its_fingerprint(tmp_path: Path) -> None:
    spec = settings.Candidate(policy=f"onnx:{onnx(tmp_path)}")
    seen = {fingerprint(spec, tmp_path)}
    for name in ("v8.json", "v8.onnx"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
        seen.add(fingerprint(spec, tmp_path))
    assert len(seen) == 3


@pytest.mark.parametrize("kind", ["linear", *JSON_KINDS, "beta", "mlp"])
def test_any_damage_is_an_error_of_this_kind_or_still_a_distribution(tmp_path: Path, kind: str) -> None:
    rng, refused = np.random.default_rng(0), 0
    said: dict[str, Any] = {**JSON_KINDS, "beta": BETA}.get(kind, {})
    spec, path = f"{said.get('kind')}:v8.json", tmp_path / "v8.json"
    if kind == "mlp":
        spec, path = "mlp:v8", mlp(tmp_path / "v8", sha256=None) / "policy.safetensors"
    elif kind == "linear":
        spec, path = "linear:policy.json", linear(tmp_path)
    else:
        path.write_text(json.dumps(said))
    content, table = path.read_bytes(), states(4)
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[at] = rng.choice(list(b'0123456789-e.,[]{}":\x00\xff truefalsn'))
        path.write_bytes(bytes(damaged))
        try:
            found = of(spec, tmp_path).score(table, ACTIONS).distribution
        except CandidateError:
            refused += 1
            continue
        assert found is not None
        whole = found[np.isfinite(found).all(axis=1)]
        np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
        assert (whole >= 0).all()
    assert refused > 5
