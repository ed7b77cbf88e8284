"""How much can be asked of each domain of facts, as its packages say."""

from unlearning_robustness.data.questions import DOMAINS
from unlearning_robustness.estimate.jobs import Domain


def domains() -> dict[str, Domain]:
    """Entities, facts and templates of every domain."""
    counted = {}
    for name, domain in DOMAINS.items():
        relations = domain.relations()
        facts = sum(len(relation.facts) for relation in relations)
        counted[name] = Domain(len(domain.entities()), facts, max(len(relation.templates) for relation in relations))
    return counted
