"""What is searched on the select split, and with which settings: functions for the rules of select.smk."""

TUNING = CONFIG.get("tuning")
USED_BASE_STUDIES = {
    part for name in in_order(STUDY, "defences") for part in name.split(".")
}


def searched(kind):
    """The methods of the study that a kind of search is made for."""
    if kind not in (TUNING or {}):
        return []
    if kind == "noise" and TUNING["noise"]["defence"] not in USED_BASE_STUDIES:
        return []
    named = TUNING[kind] if kind == "methods" else TUNING[kind]["methods"]
    return [name for name in named if name in TRAINED_METHODS]


def search_entry(wildcards):
    """The resolved entries of the defences or the attack that are searched, if any."""
    if wildcards.kind == "defences":
        rows = {
            name: defence_row(CONFIG, name, wildcards.method)
            for name in TUNING["defences"]["grids"]
        }
        attack = CONFIG["attacks"][TUNING["defences"]["attack"]]
        return {"rows": rows, "attack": attack}
    if wildcards.kind == "noise":
        return defence_row(CONFIG, TUNING["noise"]["defence"], wildcards.method)[0]
    return (
        CONFIG["attacks"][TUNING["attack"]["attack"]]
        if wildcards.kind == "attack"
        else {}
    )


def search_grid(wildcards):
    """The values that are tried."""
    grid = TUNING[wildcards.kind]
    return grid[wildcards.method] if wildcards.kind == "methods" else grid


def search_settings(wildcards):
    """The method's settings, without those that this search varies."""
    varied = (
        ("learning_rate", "retain_weight", "steps")
        if wildcards.kind == "methods"
        else ()
    )
    return {
        key: value for key, value in method_of(wildcards).items() if key not in varied
    }


def chosen_method(wildcards):
    """What is chosen for the method, where noise or an attack is searched and the method was searched too."""
    if wildcards.kind == "methods" or wildcards.method not in TUNING["methods"]:
        return []
    return expand(
        f"{RESULTS}/tuning/{{model}}/{{benchmark}}/methods/{{method}}/chosen.json",
        **wildcards,
    )
