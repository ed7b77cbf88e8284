import re
import tomllib

import yaml
from running import ROOT

LOCK = dict(line.lower().replace("_", "-").split("==") for line in (ROOT / "requirements.lock").read_text().split())
ENVIRONMENTS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "envs").glob("*.yaml")}
CONDA_NAMES = {"pytorch": "torch", "pytorch-gpu": "torch"}


def test_every_environment_is_used_and_every_used_one_exists():
    used = set()
    for path in (ROOT / "rules").glob("*.smk"):
        used |= set(re.findall(r"\.\./envs/([\w-]+\.yaml)", path.read_text()))
    assert used == set(ENVIRONMENTS)


def test_environments_are_plain_and_pinned_as_the_lock_is():
    for name, environment in ENVIRONMENTS.items():
        assert set(environment) == {"channels", "dependencies"}
        assert environment["channels"] == ["conda-forge", "nodefaults"]
        for dependency in environment["dependencies"]:
            pins = dependency["pip"] if isinstance(dependency, dict) else [dependency]
            for pin in pins:
                package, version = re.fullmatch(r"([\w.-]+)\s*==?\s*([\w.]+)", pin).groups()
                package = CONDA_NAMES.get(package, package).lower().replace("_", "-")
                if package not in ("python", "pip"):
                    assert LOCK[package] == version, f"{name}: {pin}, the lock has {LOCK[package]}"


def test_the_gpu_environment_differs_in_pytorch_alone():
    cpu, gpu = (ENVIRONMENTS[name]["dependencies"] for name in ("train.yaml", "train-gpu.yaml"))
    differing = [(one, other) for one, other in zip(cpu, gpu, strict=True) if one != other]
    assert differing == [(f"pytorch ={LOCK['torch']}", f"pytorch-gpu ={LOCK['torch']}")]


def test_jobs_that_fetch_have_what_reads_tables_and_gguf_files():
    """Both are imported where they are used, so a job would fail only after its download."""
    pins = ENVIRONMENTS["data.yaml"]["dependencies"][-1]["pip"]
    assert {f"{name}=={LOCK[name]}" for name in ("accelerate", "datasets")} <= set(pins)


def test_the_image_installs_the_lock():
    assert "-r /opt/requirements.lock" in (ROOT / "Dockerfile").read_text()


def test_the_lock_installs_with_any_build_of_torch():
    text = (ROOT / "requirements.lock").read_text()
    assert re.search(r"^torch==[\d.]+$", text, re.M)
    assert "nvidia" not in text
    assert "--hash" not in text


def test_the_lock_has_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert name.lower() in LOCK, name


def test_the_repository_loads_nothing_unsafe():
    for folder in ("src", "workflow_scripts", "rules"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".smk"):
                text = path.read_text()
                assert not re.search(r"torch\.load\(|pickle|trust_remote_code=True", text), path
