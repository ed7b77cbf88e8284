import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unlearning_robustness
from unlearning_robustness.runtime import device

SOURCE = str(Path(unlearning_robustness.__file__).parents[1])
HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from unlearning_robustness.runtime.device import try_lease
print(try_lease(3, 2, Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def leases(monkeypatch):
    """The leases of this test; freed at its end."""
    held = []
    monkeypatch.setattr(device, "_LEASES", held)
    yield held
    for handle in held:
        handle.close()


@pytest.fixture
def environment(monkeypatch):
    variables = {}
    monkeypatch.setattr(device.os, "environ", variables)
    return variables


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ("fpu avx2 avx512f", "float32"),
        ("fpu avx512_bf16", "vectors"),
        ("amx_bf16 fpu", "matrices"),
        ("avx512_bf16 amx_bf16", "matrices"),
    ],
)
def test_what_the_processor_multiplies_is_read_from_its_flags(tmp_path, flags, kind):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    assert device.processor(tmp_path / "cpuinfo") == kind


def test_without_flags_it_is_taken_to_have_no_bfloat16(tmp_path):
    assert device.processor(tmp_path / "missing") == "float32"


def test_leases_are_of_distinct_devices_until_none_is_left(tmp_path, leases):
    assert device.try_lease(3, 1, tmp_path / "new") == [0]
    assert device.try_lease(3, 2, tmp_path / "new") == [1, 2]
    assert device.try_lease(3, 1, tmp_path / "new") is None


def test_a_lease_that_cannot_be_filled_takes_nothing(tmp_path, leases):
    assert device.try_lease(2, 1, tmp_path) == [0]
    assert device.try_lease(2, 2, tmp_path) is None
    assert device.try_lease(2, 1, tmp_path) == [1]


def test_a_lease_ends_with_its_process(tmp_path, leases):
    command = [sys.executable, "-c", HOLD, SOURCE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == "[0, 1]"
        assert device.try_lease(3, 2, tmp_path) is None
        other.kill()
        other.wait()
    assert device.try_lease(3, 3, tmp_path) == [0, 1, 2]


def test_leased_devices_alone_are_visible(tmp_path, leases, environment, monkeypatch):
    monkeypatch.setattr(device, "_gpu_count", lambda: 2)
    assert device.try_lease(2, 1, tmp_path) == [0]
    assert device.lease_gpus(1, tmp_path) == [1]
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"])
def test_nothing_is_leased_where_somebody_else_hands_out_devices(tmp_path, environment, monkeypatch, variable):
    monkeypatch.setattr(device, "_gpu_count", lambda: 2)
    environment[variable] = "7"
    assert device.lease_gpus(1, tmp_path) == []
    assert environment.get("CUDA_VISIBLE_DEVICES") == ("7" if variable == "CUDA_VISIBLE_DEVICES" else None)
    assert not list(tmp_path.iterdir())


def test_a_box_without_devices_leases_nothing(tmp_path, environment, monkeypatch):
    monkeypatch.setattr(device, "_gpu_count", lambda: 0)
    assert device.lease_gpus(1, tmp_path) == [] and "CUDA_VISIBLE_DEVICES" not in environment


def test_devices_are_counted_where_the_driver_lists_them(tmp_path):
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert device._gpu_count(tmp_path) == 2


@pytest.mark.parametrize(("build", "count"), [("cuda", 3), ("hip", 3), (None, 0)])
def test_devices_that_no_driver_lists_are_counted_by_torch_in_another_process(tmp_path, monkeypatch, build, count):
    """WSL2 and ROCm; in this process counting could start CUDA, and later choices of devices would be void."""
    counters = tmp_path / "counters"

    def devices():
        counters.write_text(str(os.getpid()))
        return 3

    for name in ("cuda", "hip"):
        monkeypatch.setattr(torch.version, name, "1.0" if name == build else None)
    monkeypatch.setattr(torch.cuda, "device_count", devices)
    assert device._gpu_count(tmp_path / "missing") == count
    assert counters.exists() == bool(build)
    if build:
        assert int(counters.read_text()) != os.getpid()


@pytest.mark.parametrize("available", [True, False])
@pytest.mark.parametrize("gpu", [0, 1])
@pytest.mark.parametrize("slurm", [True, False])
def test_cuda_is_chosen_where_it_is_there_and_granted(environment, monkeypatch, available, gpu, slurm):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    if slurm:
        environment["SLURM_JOB_ID"] = "1"
    expected = available and (gpu > 0 or slurm)
    assert device.choose_device(gpu) == ("cuda" if expected else "cpu")
    assert device.choose_device(gpu, "cpu") == "cpu"
    if expected:
        assert device.choose_device(gpu, "cuda") == "cuda"
    else:
        with pytest.raises(ValueError, match="device: cuda is requested"):
            device.choose_device(gpu, "cuda")


def test_the_compute_type_follows_the_setting_or_else_the_hardware(monkeypatch):
    assert device.choose_dtype("cpu", "bfloat16") == torch.bfloat16
    assert device.choose_dtype("cpu", "float32") == torch.float32
    kinds = {"matrices": torch.bfloat16, "vectors": torch.bfloat16, "float32": torch.float32}
    for kind, expected in kinds.items():
        monkeypatch.setattr(device, "processor", lambda kind=kind: kind)
        assert device.choose_dtype("cpu") == expected
