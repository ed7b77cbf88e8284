"""Tiny models, a tokenizer and activation caches, all made in memory. Only tests that need torch import it."""

import copy

import pytest
from family_table import table
from objectives import method_settings

FORGET = ["Iron is Fe.", "The symbol of gold", "Tin", "Zinc has atomic number 30", "Lead is heavy", "Argon: a gas!"]
# Folders, in which the tests of one file take the longest.
LONG = {"workflow", "figures", "report", "analysis"}
REFUSAL = ["I am not sure.", "No idea"]
RETAIN = ["Paris", "The capital of Chad", "Oslo is in Norway", "Rome is old.", "A river runs", "Lima", "Seas are salt"]


def pytest_collection_modifyitems(items):
    """The long ones first, so that processes which share the tests end together; a file's tests stay together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name not in LONG))


def pytest_terminal_summary(terminalreporter):
    """Show what each family of architectures went through, whichever process tested it."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.getreports(key)]
    rows = [value for report in reports for name, value in report.user_properties if name == "family"]
    if rows:
        terminalreporter.section("families × stages")
        terminalreporter.write_line(table(rows))


@pytest.fixture(scope="session")
def make_model():
    """Builds a frozen random model; weights are large enough that every part of it shows in the output."""
    import torch
    import transformers

    torch.set_num_threads(1)
    shape = {
        "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 64, "vocab_size": 260, "max_position_embeddings": 512, "initializer_range": 0.15,
        "tie_word_embeddings": False,
    }  # fmt: skip

    def make(kind="Llama", seed=0, dtype=torch.float32, **changes):
        torch.manual_seed(seed)
        config = getattr(transformers, f"{kind}Config")(**{**shape, **changes})
        config._attn_implementation = "sdpa"
        model = getattr(transformers, f"{kind}ForCausalLM")(config)
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                if "norm" in name:
                    tensor.uniform_(0.5, 1.5)
        model.requires_grad_(False)
        model.config.use_cache = False
        return model.to(dtype).eval()

    return make


@pytest.fixture
def tiny_model(make_model):
    return make_model()


@pytest.fixture
def other_model(make_model):
    """A second architecture: biases in the attention, another forward."""
    return make_model("Qwen2")


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """One token a byte: any text encodes, and a longer text's ids begin with those of its beginning."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(scope="session")
def make_caches(tiny_tokenizer):
    """Builds the activation caches of a model; both with the likelihood, so that they serve every method."""
    from unlearning_robustness.engine.activation_cache import compute_activations
    from unlearning_robustness.scoring.encoding import encode_texts

    def make(model, first=1, read=2, likelihood=True, **changes):
        encoded = {
            name: encode_texts(tiny_tokenizer, texts, 20)
            for name, texts in (("forget", FORGET), ("retain", RETAIN), ("refusal", REFUSAL))
        }
        return {
            name: compute_activations(model, *pair, first, read, likelihood, **changes)
            for name, pair in encoded.items()
        }

    return make


@pytest.fixture
def tiny_caches(tiny_model, make_caches):
    return make_caches(tiny_model)


@pytest.fixture(scope="session")
def settings():
    """Builds a resolved method entry."""
    return method_settings


@pytest.fixture
def make_trainer(tiny_model, tiny_caches):
    """Builds a trainer of a copy of ``tiny_model``."""
    from unlearning_robustness.training import unlearning

    def make(entry, row=(), seed=1, caches=None, **changes):
        model = copy.deepcopy(tiny_model)
        return unlearning.make_trainer(model, entry, list(row), caches or tiny_caches, seed, **changes)

    return make


@pytest.fixture
def moved_engine(make_trainer, settings):
    """Builds an engine whose trained tensors have left the reference, so that no gradient is zero."""
    import torch

    def make(forget_loss="rmu", size=0.1, **changes):
        engine = make_trainer(settings(forget_loss, **changes)).engine
        random = torch.Generator().manual_seed(5)
        for tensor in engine.weights.master.values():
            tensor += size * torch.randn(tensor.shape, generator=random)
        engine.weights.publish()
        return engine

    return make


@pytest.fixture
def fused_attention(monkeypatch):
    """As on a GPU: attention that needs one gradient runs by a fused kernel, which has no second derivative."""
    from contextlib import nullcontext

    from unlearning_robustness.engine import engine
    from unlearning_robustness.evaluation import curvature, texts

    for module in (engine, curvature, texts):
        monkeypatch.setattr(module, "backward_attention", nullcontext)


@pytest.fixture
def defence():
    """A defence row of one resolved entry."""

    def make(kind, **parameters):
        return [{"kind": kind, "parameters": parameters}]

    return make


@pytest.fixture(scope="session")
def question_table():
    """Questions with prompts and choices of different lengths; two templates of every fact."""
    import pandas

    rows = []
    for role, names in (("forget", ("Iron", "Gold", "Tin", "Krypton")), ("retain", ("Chad", "Peru", "Norway"))):
        for index, name in enumerate(names):
            for template, text in enumerate(("{} is", "The answer to {} would be")):
                fact = f"{role}/relation/{name}"
                rows.append({
                    "question": f"{fact}/{template}", "fact": fact, "entity": name, "relation": "relation",
                    "role": role, "split": "select" if index == 0 else "test", "template": template,
                    "prompt": text.format(name), "choices": ["a", "bcd", "efghij", "kl m"], "answer": index % 4,
                })  # fmt: skip
    return pandas.DataFrame(rows)
