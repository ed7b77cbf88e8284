"""What a job's process imports; in processes of their own, as this one has imported everything."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from unlearning_robustness.runtime.quick_start import absent, without_garbage_collection

ROOT = Path(__file__).parents[2]
IMPORTS = "import json, sys\nimport torch\nfrom unlearning_robustness.runtime.quick_start import *\n"
REPORT = "print(json.dumps({'imported': sorted(sys.modules), 'result': result}))\n"
LEFT_OUT = {"torch._dynamo", "torch._inductor", "torch.distributed.tensor", "torchao", "scipy"}
USED_LATER = """
import_transformers()
import scipy.optimize
from unlearning_robustness.attacks.quantise import torchao_rounded
result = torchao_rounded(torch.ones(2, 32), 4, 32).unique().item()
"""
COMPILED = """
import_transformers()
with without_compiler():
    from torch._dynamo.utils import warn_once
    result = torch._dynamo.config.__name__
import torch._dynamo.utils as again
assert again.warn_once is warn_once and again.__spec__.origin.endswith("utils.py")
assert torch._dynamo.__file__ and torch._dynamo.is_compiling() is False
"""
# A model of each family is loaded and takes a step; by plain imports, or those of a job.
STEPPED = """
from unlearning_robustness.engine.weights import TrainedWeights
from unlearning_robustness.models.loading import load_model
result = []
for folder in sys.argv[1:]:
    model, _ = load_model(folder)
    weights = TrainedWeights(model, [name for name, _ in model.named_parameters() if "layers.1.mlp" in name])
    optimiser = torch.optim.AdamW(list(weights.optimised.values()), lr=0.01, fused=True)
    optimiser.zero_grad()
    loss = model(torch.arange(40)[None]).logits.square().mean()
    weights.step(optimiser, weights.gradient(loss))
    result.append([loss.item(), *(tensor.sum().item() for tensor in weights.live.values())])
"""


def in_process(code: str, *arguments) -> dict:
    environment = {"PYTHONPATH": str(ROOT / "src"), "TORCHAO_FORCE_SKIP_LOADING_SO_FILES": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", IMPORTS + code + REPORT, *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_models_load_and_step_to_the_same_numbers_without_what_is_unused(tmp_path, tiny_tokenizer):
    from families import family_folder

    families = ("llama tied", "gemma2", "phi")
    folders = [family_folder(family, tmp_path / family.replace(" ", "-"), tiny_tokenizer) for family in families]
    quick = in_process("import_transformers()\n" + STEPPED, *folders)
    plain = in_process("import torch._dynamo, torch.distributed.tensor\nimport transformers\n" + STEPPED, *folders)
    assert quick["result"] == plain["result"]
    assert sorted(LEFT_OUT & {*quick["imported"]}) == []
    assert {*plain["imported"]} >= {"torch._dynamo", "torch.distributed.tensor"}


def test_a_process_that_is_no_job_loads_models_too(tmp_path, tiny_tokenizer):
    """Transformers imports torchao there, which needs the compiler."""
    from families import family_folder

    imported = in_process(STEPPED, family_folder("llama", tmp_path / "llama", tiny_tokenizer))["imported"]
    assert {"torchao", "torch._dynamo"} <= {*imported}


def test_what_was_left_out_can_be_used_all_the_same():
    assert in_process(USED_LATER)["result"] == pytest.approx(7 / 7.5)
    assert in_process(COMPILED)["result"] == "torch._dynamo.config"


def test_a_package_is_absent_inside_only_and_an_imported_one_stays():
    assert "antigravity" not in sys.modules
    with absent("antigravity", "sys"):
        with pytest.raises(ModuleNotFoundError):
            import antigravity  # noqa: F401
        import sys as again

        assert again is sys
    assert "antigravity" not in sys.modules


def test_garbage_is_not_collected_inside_and_is_afterwards():
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() > 0
    gc.unfreeze()
