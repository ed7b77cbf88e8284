"""The files that tables are made of: one for each cell, attack or measure of the study."""

RECORDS = [
    f"{TREE}/records/{cell.path}/{attack}/records.parquet"
    for cell, attack in attacked_cells(STUDY)
]
ATTACKED = [
    f"{TREE}/records/{cell.path}/{attack}/manifest.json"
    for cell, attack in attacked_cells(STUDY)
    if attack != "none"
]
LATENTS = [
    f"{TREE}/records/{cell.path}/latents.parquet"
    for cell in measured_cells(CONFIG, "latents")
]
SHARPNESS = [
    f"{TREE}/records/{cell.path}/sharpness.parquet"
    for cell in measured_cells(CONFIG, "sharpness")
]
LANDSCAPES = [
    f"{TREE}/records/{cell.path}/landscape.parquet"
    for cell in measured_cells(CONFIG, "landscape")
]
MEMORISATION = [
    f"{TREE}/records/{cell.path}/memorisation.parquet"
    for cell in measured_cells(CONFIG, "memorisation")
]
RETRAINED = [
    f"{TREE}/records/{model}/{benchmark}/retrained.parquet"
    for model in STUDY["models"]
    for benchmark in STUDY["benchmarks"]
    if STUDY["memorisation"] and "model" in retrain_of(CONFIG, model)
]
RETAIN_LOG = (
    CONFIG.get("memorisation", {}).get("retrain", {}).get("log", [])
    if STUDY["memorisation"]
    else []
)
MEASURES = [
    f"{TREE}/records/{cell.path}/none/measures.json"
    for cell, attack in attacked_cells(STUDY)
    if attack == "none"
]
