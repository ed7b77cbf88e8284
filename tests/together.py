"""What the launcher starts in tests: train the cells of a folder's cases.json; the leading process writes them.

Usage: accelerate launch --multi_gpu --num_processes N tests/together.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from unlearning_robustness.engine.activation_cache import load_caches
from unlearning_robustness.models.loading import load_model
from unlearning_robustness.runtime import parallel
from unlearning_robustness.runtime.launcher import exit_now, is_main, rank
from unlearning_robustness.training.unlearning import layer_divider, layers_needed, make_trainer


def trained(folder: Path, case: dict):
    """The trainer of a case, after its last step; one with ``broken`` continues from a state saved at that step."""
    dtype = getattr(torch, case.get("dtype", "float32"))
    needed, divide = layers_needed(case["settings"], case["row"]), layer_divider(case["settings"], "cpu")
    model, _ = load_model(folder, dtype=dtype, layers=needed, loaded=divide)
    caches = load_caches(folder / f"caches-{case.get('dtype', 'float32')}")

    def make(**changes):
        return make_trainer(model, case["settings"], case["row"], caches, 1, **changes)

    if "broken" in case:
        first = make()

        def stop(done):
            if done == case["broken"]:
                first.save(folder / "state.safetensors")
                raise InterruptedError

        try:
            first.run(stop)
        except InterruptedError:
            parallel.count(1)
            first.engine.weights.release()
    trainer = make()
    if "broken" in case:
        trainer.restore(folder / "state.safetensors")
    trainer.run()
    return trainer


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    made = folder / "made"
    made.mkdir(exist_ok=True)
    described = json.loads((folder / "cases.json").read_text())
    parallel.join(described["processes"], "cpu")
    if described.get("fails") == rank():
        raise ValueError("planned")
    for name, case in described["cases"].items():
        trainer = trained(folder, case)
        weights = trainer.engine.weights
        tensors = weights.delta()
        change = weights.change(tensors)
        held = sum(getattr(tensor, "_local_tensor", tensor).numel() for tensor in weights.master.values())
        if is_main():
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, made / f"{name}.safetensors")
            told = {"history": trainer.history, "change": change, "held": held}
            (made / f"{name}.json").write_text(json.dumps(told))
        weights.release()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    exit_now(0)
