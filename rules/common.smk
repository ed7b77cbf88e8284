"""The study, and the names that all rules share."""

import sys
from pathlib import Path

# Beside an importing workflow lies another `src`: this file knows its own folder.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if not (ROOT / "Snakefile").is_file():
    raise SystemExit(f"snakefile: {ROOT} is no folder: give the Snakefile of a clone")
sys.path.insert(0, str(ROOT / "src"))

from unlearning_robustness.config.effects import COSINES
from unlearning_robustness.config.overlays import with_command_line
from unlearning_robustness.errors import ConfigError, StudyError
from unlearning_robustness.runtime.code_digest import code_digest
from unlearning_robustness.page.own_files import assets_digest
from unlearning_robustness.runtime.orphans import name_scheduler
from unlearning_robustness.workflow.own_data import read_own_data
from unlearning_robustness.workflow.environment import set_environment
from unlearning_robustness.runtime.tracebacks import show_traceback
from unlearning_robustness.workflow.licences import check_access, fetched_entries
from unlearning_robustness.workflow.architectures import check_architectures
from unlearning_robustness.workflow.begun import check_begun
from unlearning_robustness.workflow.parameters import ITEM_KEYS, QUESTION_KEYS, TEXT_KEYS
from unlearning_robustness.workflow.requests import growing
from unlearning_robustness.workflow.startup_message import claims_line, size_line, startup_message
from unlearning_robustness.workflow.study import Study
from unlearning_robustness.workflow.unlocking import take_over

set_environment(sys.argv)
name_scheduler()
try:
    stated = with_command_line(config, workflow.config_settings.config)
    study = Study(
        stated,
        ROOT,
        workflow.modifier.path_modifier.replace_prefix,
        workflow.overwrite_configfiles,
    )
    study.check_writable()
    if workflow.modifier.is_main_snakefile():
        check_begun(sys.argv, study.paths)
        if workflow.is_main_process:
            take_over(sys.argv)
except ConfigError as error:
    show_traceback(error)
    raise SystemExit(f"configuration: {error}")
# The report shows them beside the files of the command line.
workflow.configfiles += map(str, study.files)

CONFIG, paths, parameters = study.config, study.paths, study.parameters
requests, targets, tuning = study.requests, study.targets, study.tuning

# Under `--sdm conda` rules that compute with a model take PyTorch's build with CUDA where a profile says so.
TRAINING = "../envs/train-gpu.yaml" if CONFIG["gpu_environment"] else "../envs/train.yaml"


wildcard_constraints:
    model="|".join(CONFIG["models"]),
    benchmark="|".join(CONFIG["benchmarks"]),
    method="|".join(["reference", *CONFIG["methods"]]),
    defence="[a-z0-9][a-z0-9.-]*",
    attack="|".join(["none", *CONFIG["attacks"]]),
    seed=r"\d+",
