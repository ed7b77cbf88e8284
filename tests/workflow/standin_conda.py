"""A stand-in for conda that needs no network: what Snakemake asks of conda, answered with this machine's packages.

An environment is an empty virtual environment into which exactly the pinned packages and what they need are linked;
a pin that differs from what is installed fails. It proves paths, activation and that each rule finds in its
environment all that it imports; it does not prove that conda can solve the environments.
"""

import importlib.metadata
import itertools
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

BASE = Path(sysconfig.get_paths()["purelib"])
NAMES = {"pytorch": "torch", "pytorch-gpu": "torch"}
# Snakemake appends its own folder to the path of scripts; behind this finder only its own needs are seen there.
GUARD = """
import sys
from importlib.machinery import PathFinder
REFUSED = {refused!r}
class Guard(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in REFUSED else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Guard
"""


def install(folder: Path) -> Path:
    """A folder of executables with this conda in it, to be put first on PATH."""
    places = folder / "bin"
    places.mkdir(parents=True)
    (places / "conda").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    (places / "conda").chmod(0o755)
    (places / "activate").write_text('. "$1/bin/activate"\n')
    return places


def pins(environment: dict) -> dict[str, str]:
    """Package to version, of both sections; python and pip are the machine's."""
    found = {}
    for entry in environment["dependencies"]:
        for pin in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, version = re.fullmatch(r"([\w.-]+)\s*==?\s*([\w.]+)", pin).groups()
            found[NAMES.get(name, name)] = version
    return {name: version for name, version in found.items() if name not in ("python", "pip")}


def needs(names: set[str]) -> dict[str, importlib.metadata.Distribution]:
    """The packages and all that they need, as installed here; extras are left out."""
    found, waiting = {}, list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            try:
                found[name] = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                continue
            wanted = [text for text in found[name].requires or [] if "extra ==" not in text]
            waiting += [re.match(r"[\w.-]+", text)[0] for text in wanted]
    return found


def entries(found) -> set[str]:
    """Names in site-packages that belong to packages."""
    return {path.parts[0] for package in found for path in package.files if path.parts[0] not in ("..", "__pycache__")}


def create(file: Path, prefix: Path) -> None:
    """Make the environment of a yaml file."""
    wanted = pins(yaml.safe_load(file.read_text()))
    for name, version in wanted.items():
        if importlib.metadata.version(name).split("+")[0] != version:
            sys.exit(f"{name}: {version} is pinned, {importlib.metadata.version(name)} is installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    packages = next((prefix / "lib").glob("python*/site-packages"))
    linked = entries(needs(set(wanted)).values())
    for name in linked:
        (packages / name).symlink_to(BASE / name)
    seen = linked | entries(needs({"snakemake"}).values())
    refused = {name.removesuffix(".py") for name in entries(importlib.metadata.distributions(path=[str(BASE)])) - seen}
    (packages / "guard.py").write_text(GUARD.format(refused=refused))
    (packages / "guard.pth").write_text("import guard\n")


def main(arguments: list[str]) -> None:
    """Answer one call."""
    if "--version" in arguments:
        print("conda 25.1.0")
    elif arguments[0] == "info":
        place = os.environ["PATH"].split(":")[0]
        print(json.dumps({"conda_prefix": str(Path(place).parent), "platform": "linux-64"}))
    elif arguments[0] == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"]:
        given = dict(itertools.pairwise(arguments))
        create(Path(given["--file"]), Path(given["--prefix"]))


if __name__ == "__main__":
    main(sys.argv[1:])
