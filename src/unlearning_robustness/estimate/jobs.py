"""The jobs of a study with the work of each: what Snakemake would start if nothing were done yet."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from unlearning_robustness.attacks.facts import LOCK_GROUPS, AttackFacts
from unlearning_robustness.config import defence_row
from unlearning_robustness.config.activation_caches import cache_id, cache_settings
from unlearning_robustness.config.cells import (
    NONE,
    REFERENCE,
    Cell,
    attacked_cells,
    cells,
    measured_cells,
    places,
    retrain_of,
    trigger_controls,
)
from unlearning_robustness.config.checkpoints import checkpoint_methods, checkpoint_of, study_methods, treated_cells
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.config.searches import searched_kinds
from unlearning_robustness.config.sources import roles_of
from unlearning_robustness.config.worlds import learners
from unlearning_robustness.data.facts import SWAPS
from unlearning_robustness.estimate import measures, work
from unlearning_robustness.estimate.machines import Machine
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work

# Share of a domain's facts that a model knows in every template: the laptop model knows 0.32, 0.56 and 0.86.
KNOWN = 0.5
REFUSALS = 4
# Templates in which a generated world asks a fact.
WORLD_TEMPLATES = 2
# Questions of a published set without `max_facts`: WMDP's biology has 1,273, cybersecurity 1,987, MMLU 14,042; and
# texts where the configuration takes all there are.
PUBLISHED = 1000
MEASURES = {
    "latents": measures.latents,
    "sharpness": measures.sharpness,
    "landscape": measures.landscape,
    "memorisation": measures.memorisation,
}


@dataclass(frozen=True)
class Domain:
    """How much can be asked of a domain."""

    entities: int
    facts: int
    templates: int


@dataclass(frozen=True)
class Job:
    """A process: its rule, what it is about, and its work."""

    rule: str
    about: str
    work: Work

    @property
    def name(self) -> str:
        """``rule/about``: where the job's measured cost lies in ``benchmark_times``, without the ending."""
        return f"{self.rule}/{self.about}"


def questions_of(benchmark: dict, role: str, split: str, domains: dict[str, Domain]) -> int:
    """Questions of a role and split: the share of facts that is known and falls there, or the most that is asked."""
    entry = benchmark.get(role, {"splits": {}})
    if split not in entry["splits"]:
        return 0
    if "domain" not in entry:
        return entry["max_facts"].get(split, PUBLISHED)
    share = entry["splits"][split] / sum(entry["splits"].values())
    known = 1.0 if "world" in benchmark else KNOWN
    facts = known * share * _domain(benchmark, role, domains).facts
    return round(min(facts, entry["max_facts"].get(split, facts))) * entry["templates_asked"]


def question_tokens(benchmark: dict) -> int:
    """Tokens of a question: a domain's are short sentences, published ones stem and options; with a chat template's."""
    template = work.CHAT_TOKENS if "chat" in benchmark else 0
    return template + (work.LETTERED_TOKENS if "texts" in benchmark else work.QUESTION_TOKENS)


def reference_questions(benchmark: dict, role: str, domains: dict[str, Domain]) -> float:
    """Questions that are asked of the reference to find those that it knows, and to balance their options.

    For these it reads all answers of a relation behind the prompts of a few entities, about a token an answer.
    """
    entry = benchmark[role]
    if "domain" not in entry:
        return sum(entry["max_facts"].get(split, PUBLISHED) for split in entry["splits"])
    domain = _domain(benchmark, role, domains)
    prior = SWAPS / work.QUESTION_TOKENS if benchmark["options"] == "balanced" else 0
    return domain.facts * domain.templates * (1 + KNOWN + prior)


def _domain(benchmark: dict, role: str, domains: dict[str, Domain]) -> Domain:
    """How much can be asked of a role's domain; a generated world says it itself."""
    if "world" in benchmark:
        entities = benchmark["world"]["entities"][role]
        return Domain(entities, entities * benchmark["world"]["attributes"], WORLD_TEMPLATES)
    return domains[benchmark[role]["domain"]]


def probed_questions(config: dict, benchmark: dict, domains: dict[str, Domain]) -> int:
    """Questions over all probes of the study, as asked of each unlearned model."""
    total = 0
    for name in config["study"]["probes"]:
        probe = config["probes"][name]
        for role in probe["roles"]:
            for split in config["scoring"]["splits"] if probe["mode"] == "plain" else ["test"]:
                asked = questions_of(benchmark, role, split, domains)
                total += min(asked, probe.get("max_facts", asked)) * probe["swaps"]
    return total


def jobs_of(config: dict, shapes: dict[str, Shape], domains: dict[str, Domain]) -> list[Job]:
    """Every job with a model, of a resolved configuration."""
    shapes = {**_of_checkpoints(config, shapes), **shapes}
    return [
        *_shared(config, shapes, domains),
        *_controls(config, shapes, domains),
        *_searches(config, shapes, domains),
        *_processes(config, _of_cells(config, shapes, domains)),
    ]


def _of_checkpoints(config: dict, shapes: dict[str, Shape]) -> dict[str, Shape]:
    """The shapes of checkpoints that are trained further: those of the models that they belong to."""
    treated = [entry for entry in checkpoint_methods(config).values() if "after" in entry]
    return {checkpoint_of(entry, model): shape for entry in treated for model, shape in shapes.items()}


def _shared(config: dict, shapes: dict[str, Shape], domains: dict[str, Domain]) -> Iterator[Job]:
    study, batch_size, precision = config["study"], config["scoring"]["batch_size"], config["scoring"]["precision"]
    trained = [config["methods"][name] for name in study_methods(config)]
    caches = {cache_id(settings): settings for settings in map(cache_settings, trained)}
    yield from _made(config, shapes)
    for model, name in places(study):
        shape, benchmark, about = shapes[model], config["benchmarks"][name], f"{model}/{name}"
        asked = sum(reference_questions(benchmark, role, domains) for role in roles_of(benchmark))
        scored = work.scoring(shape, round(asked), batch_size, length=question_tokens(benchmark))
        yield Job("build_questions", about, work.scored_in(scored, shape, precision))
        for identity, settings in caches.items():
            yield _cache(about, identity, settings, shape, _texts(benchmark, domains))
        if trained:
            first = _first_layer(trained)
            tokens = probed_questions(config, benchmark, domains) * question_tokens(benchmark)
            prefix_bytes = tokens * shape.hidden_size * (BFLOAT16 if precision == "auto" else FLOAT32)
            prefix = Work(tokens * shape.forward(first, False), first, shape.memory() + prefix_bytes, prefix_bytes)
            yield Job("build_prefix", about, work.scored_in(prefix, shape, precision))
        if study["memorisation"] and "model" in retrain_of(config, model):
            yield Job("measure_retrained", about, measures.memorisation(shape, config))
    treated = ((cell.model, cell.benchmark, cell.method) for cell in treated_cells(config))
    for model, name, method in dict.fromkeys(treated):
        settings, texts = cache_settings(config["methods"][method]), _texts(config["benchmarks"][name], domains)
        yield _cache(f"{model}/{name}", cache_id(settings), settings, shapes[model], texts)


def _cache(about: str, identity: str, settings: dict, shape: Shape, texts: dict[str, int]) -> Job:
    """The activation cache of a model's texts."""
    return Job("cache_activations", f"{about}/{identity}", work.activation_cache(shape, settings, texts))


def _texts(benchmark: dict, domains: dict[str, Domain]) -> dict[str, int]:
    """The number of texts of each corpus that methods train on."""
    corpora, known = benchmark["corpora"], domains.get(benchmark["forget"].get("domain"))
    return {
        "forget": corpora.get("forget_prose_documents", PUBLISHED) + (known.entities if known else 0),
        "retain": corpora.get("retain_documents", PUBLISHED),
        "refusal": REFUSALS,
    }


def _made(config: dict, shapes: dict[str, Shape]) -> Iterator[Job]:
    """The models that are trained before anything is forgotten."""
    models = config["models"]
    for model in config["study"]["models"]:
        if "memorised" in models[model]:
            yield Job("make_target_model", model, measures.target_model(shapes[model], models[model]["memorised"]))
    for benchmark in config["study"]["benchmarks"]:
        for model in learners(config, benchmark):
            settings, world = models[model]["generated"], config["benchmarks"][benchmark]["world"]
            yield Job("pretrain", model, measures.pretraining(settings, world))


def _controls(config: dict, shapes: dict[str, Shape], domains: dict[str, Domain]) -> Iterator[Job]:
    """The positive controls of attacks that search over prompts."""
    batch_size = config["scoring"]["batch_size"]
    for model, name, attack in trigger_controls(config):
        benchmark, shape = config["benchmarks"][name], shapes[model]
        length = question_tokens(benchmark)
        asked = questions_of(benchmark, "forget", "test", domains)
        select = sum(questions_of(benchmark, role, "select", domains) for role in ("forget", "retain"))
        run = work.attacking(shape, config["attacks"][attack], asked, batch_size, select, length)
        # It is asked locked and behind the trigger, and one group of heads is chosen among a few on select.
        asking = work.scoring(shape, asked, batch_size, length=length).times(2)
        choosing = work.scoring(shape, select, batch_size, length=length).times(LOCK_GROUPS)
        yield Job("trigger_control", f"{model}/{name}/{attack}", run + asking + choosing)


def _searches(config: dict, shapes: dict[str, Shape], domains: dict[str, Domain]) -> Iterator[Job]:
    """The search for an attack's settings of each kind of cell."""
    for model, name, method, defence, identity in searched_kinds(config):
        benchmark, search, shape = config["benchmarks"][name], config["searches"][identity], shapes[model]
        counted = {
            (role, split): questions_of(benchmark, role, split, domains)
            for role in ("forget", "retain")
            for split in ("select", "test")
        }
        # Forget facts of select are also asked about another entity.
        asked = {
            "select": 2 * counted["forget", "select"] + counted["retain", "select"],
            "test": counted["forget", "test"],
        }
        batch_size, length = config["scoring"]["batch_size"], question_tokens(benchmark)
        works = {part: work.scoring(shape, count, batch_size, length=length) for part, count in asked.items()}
        effort = work.searching(shape, config["attacks"][search["attack"]], search, method == REFERENCE, works)
        yield Job("search", f"{model}/{name}/{method}/{defence}/{identity}", effort)


def _of_cells(config: dict, shapes: dict[str, Shape], domains: dict[str, Domain]) -> Iterator[tuple[str, Cell, Work]]:
    """(rule and attack, cell, work) of all that is done to each cell."""
    study, batch_size, precision = config["study"], config["scoring"]["batch_size"], config["scoring"]["precision"]
    trained = study_methods(config)
    first = _first_layer([config["methods"][name] for name in trained])
    for cell in [*cells(study), *treated_cells(config)]:
        if cell.method in checkpoint_methods(config):
            yield "take_checkpoint", cell, work.difference(shapes[cell.model])
        elif cell.method != REFERENCE:
            benchmark, method = config["benchmarks"][cell.benchmark], config["methods"][cell.method]
            row = defence_row(config, cell.defence, cell.method)
            select = questions_of(benchmark, "forget", "select", domains)
            length = question_tokens(benchmark)
            yield "unlearn", cell, work.unlearning(shapes[cell.model], method, row, select, batch_size, length)
    for cell, attack in attacked_cells(study):
        benchmark, shape = config["benchmarks"][cell.benchmark], shapes[cell.model]
        length = question_tokens(benchmark)
        if attack == NONE:
            # Below the first trained layer the questions are computed once, in the prefix.
            low = cell.method in checkpoint_methods(config) or (
                cell.method in trained and min(config["methods"][cell.method]["layers"]) < first
            )
            asked = probed_questions(config, benchmark, domains)
            scored = work.scoring(shape, asked, batch_size, 0 if low else first, length)
            scored = Work() if _repeats(config, cell) else work.scored_in(scored, shape, precision)
            yield "evaluate", cell, scored
        else:
            entry = config["attacks"][attack]
            splits = config["scoring"]["splits"]
            asked = sum(questions_of(benchmark, role, split, domains) for role in entry["roles"] for split in splits)
            select = sum(questions_of(benchmark, role, "select", domains) for role in ("forget", "retain"))
            attacked, facts = work.attacking(shape, entry, asked, batch_size, select, length, precision), _facts(entry)
            if cell.method == REFERENCE and facts.undoes_change:
                attacked = work.scored_in(work.scoring(shape, asked, batch_size, length=length), shape, precision)
            repeats = not facts.draws and _repeats(config, cell)
            yield f"attack {attack}", cell, Work() if repeats else attacked
    for what, measure in MEASURES.items():
        for cell in measured_cells(config, what):
            yield f"measure_{what}", cell, measure(shapes[cell.model], config)
    for cell in measured_cells(config, "trajectory"):
        benchmark = config["benchmarks"][cell.benchmark]
        asked = {role: questions_of(benchmark, role, "test", domains) for role in ("forget", "retain", "neighbour")}
        length = question_tokens(benchmark)
        yield "trajectory", cell, measures.trajectory(shapes[cell.model], config, cell, asked, length)


def _repeats(config: dict, cell: Cell) -> bool:
    """Whether a process has this cell's weights before it already, under another seed: nothing is trained for them."""
    entry = checkpoint_methods(config).get(cell.method, {})
    same = cell.method == REFERENCE or (entry and "after" not in entry)
    return same and config["batch_seeds"] and cell.seed != config["study"]["seeds"][0]


def _facts(attack: dict) -> type[AttackFacts]:
    return facts_of(ATTACKS, attack["kind"])


def _first_layer(methods: list[dict]) -> int:
    """Up to where the questions' prefix is kept: the first layer that any method but variants trains."""
    return min((min(method["layers"]) for method in methods if "variant_of" not in method), default=0)


def _processes(config: dict, works: Iterator[tuple[str, Cell, Work]]) -> Iterator[Job]:
    """One process serves all seeds of a kind of cell, or each seed has its own."""
    together: dict[tuple[str, str], Work] = defaultdict(Work)
    for what, cell, effort in works:
        kind = f"{cell.model}/{cell.benchmark}/{cell.method}/{cell.defence}"
        together[what, kind if config["batch_seeds"] else cell.path] += effort
    for (what, kind), effort in together.items():
        rule, *attack = what.split(" ")
        yield Job(rule, "/".join([kind, *attack]), effort)


def hours(jobs: list[Job], machine: Machine) -> float:
    """Hours of one such machine for all jobs, one after another."""
    return sum(machine.seconds(job.work) for job in jobs) / 3600
