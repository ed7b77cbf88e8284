"""What a job's process imports; in processes of their own, as this one has imported everything."""

import subprocess
import sys
from pathlib import Path

import pytest

from unlearning_robustness.runtime.quick_start import absent

ROOT = Path(__file__).parents[2]
STARTED = """
import sys
from unlearning_robustness.runtime.quick_start import UNUSED, keep_transformers_small
keep_transformers_small()
from transformers import AutoModelForCausalLM, LlamaForCausalLM
assert "transformers.modeling_utils" in sys.modules
print([name for name in UNUSED if name in sys.modules])
import scipy.optimize
from unlearning_robustness.attacks.quantise import torchao_rounded
import torch
print(torchao_rounded(torch.ones(2, 32), 4, 32).unique().item())
"""


def test_a_model_is_loaded_without_what_is_unused_and_that_can_be_used_all_the_same():
    environment = {"PYTHONPATH": str(ROOT / "src"), "TORCHAO_FORCE_SKIP_LOADING_SO_FILES": "1"}
    command = [sys.executable, "-c", STARTED]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    imported, rounded = result.stdout.splitlines()
    assert imported == "[]" and float(rounded) == pytest.approx(7 / 7.5)


def test_a_package_is_absent_inside_only_and_an_imported_one_stays():
    assert "antigravity" not in sys.modules
    with absent("antigravity", "sys"):
        with pytest.raises(ModuleNotFoundError):
            import antigravity  # noqa: F401
        import sys as again

        assert again is sys
    assert "antigravity" not in sys.modules
