"""What a model folder holds: safetensors, config, tokenizer and a manifest; nothing that could run code."""

import re
from collections.abc import Iterable
from pathlib import Path

from unlearning_robustness.errors import DeltaError, FetchError
from unlearning_robustness.runtime.manifest import MANIFEST, digest_of, file_digest, read_json, write_json

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
TOKENIZER = {
    "added_tokens.json", "chat_template.jinja", "merges.txt", "special_tokens_map.json", "spiece.model",
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
}  # fmt: skip


def needed_files(names: Iterable[str]) -> list[str]:
    """The files that make a model, of all that a repository or folder has: weights, config and tokenizer.

    Raises FetchError when one of them is missing.
    """
    return [*weight_files(names := sorted(names)), *tokenizer_files(names)]


def weight_files(names: Iterable[str]) -> list[str]:
    """Weights in one file or in shards, and the config; raises FetchError when there are no safetensors, no config.

    An adapter, alone or beside a model, is refused as well: the model without it is another one.
    """
    names = sorted(names)
    adapter = next((name for name in names if name.startswith("adapter_")), None)
    if adapter is not None:
        raise FetchError(
            f"{adapter} here, of an adapter: give its models.*.base, or merge it into its model, see docs/hub.md"
        )
    weights = [SINGLE] if SINGLE in names else [name for name in names if SHARD.fullmatch(name) or name == INDEX]
    if not weights:
        unsafe = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
        other = f"only {unsafe[0]}, a format that can run code" if unsafe else "no weights at its top"
        convert = ", or convert it as docs/hub.md says" if unsafe else ""
        raise FetchError(f"no {SINGLE} here, {other}: choose a repository or revision with safetensors{convert}")
    if weights != [SINGLE] and INDEX not in names:
        raise FetchError(f"shards without {INDEX}: choose a repository or revision that has it")
    if CONFIG not in names:
        raise FetchError(f"no {CONFIG} here: choose a repository of a whole model")
    return [*weights, CONFIG, *(name for name in names if name == "generation_config.json")]


def tokenizer_files(names: Iterable[str]) -> list[str]:
    """The files of a tokenizer; raises FetchError when there is none."""
    tokenizer = [name for name in sorted(names) if name in TOKENIZER]
    if not {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json"} & set(tokenizer):
        raise FetchError("no tokenizer here: name the repository that has it as the model's tokenizer")
    return tokenizer


def check_loadable(folder: Path) -> None:
    """Raise FetchError when a shard is missing or damaged, or the architecture would need the repository's own code."""
    import transformers
    from safetensors import SafetensorError, safe_open
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    shards = [SINGLE]
    if (folder / INDEX).is_file():
        weight_map = _object_of(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise FetchError(f"{folder / INDEX} has no weight_map from tensors to files: fetch it anew")
        shards = sorted(set(weight_map.values()))
    for shard in shards:
        # A name in the index could point out of the folder.
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise FetchError(f"{INDEX} names {shard}, which is missing: choose another revision")
        try:
            with safe_open(folder / shard, framework="numpy") as handle:
                handle.keys()
        except SafetensorError as error:
            raise FetchError(f"{folder / shard} is damaged ({error}): fetch it anew") from None
    config = _object_of(folder / CONFIG)
    kind, classes = config.get("model_type"), config.get("architectures")
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise FetchError(f"{CONFIG} has model_type {kind!r}, which needs its own code: choose one of transformers'")
    # Some were written in other capitals.
    known = {name.lower() for name in dir(transformers)}
    if other := next((name for name in classes or () if str(name).lower() not in known), None):
        raise FetchError(
            f"{folder / CONFIG}: architectures names {other!r}, which needs its own code: choose one of transformers', "
            f"or correct it if the model computes as {MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind]} does"
        )


def check_tokenizer(folder: Path) -> None:
    """Raise FetchError when the folder's tokenizer cannot be loaded, or puts out a token that has no embedding.

    Special tokens without one are no fault but for those that begin or end a text: Gemma 3 has one for images.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        tokenizer.encode("a")
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise FetchError(
            f"{folder}: its tokenizer cannot be loaded ({reason}): fetch it anew, or name another"
        ) from error
    rows = AutoConfig.from_pretrained(str(folder), local_files_only=True).get_text_config(decoder=True).vocab_size
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    special -= {tokenizer.bos_token_id, tokenizer.eos_token_id}
    beyond = {index: token for token, index in tokenizer.get_vocab().items() if index >= rows and index not in special}
    if beyond:
        first = min(beyond)
        raise FetchError(
            f"{folder}: the tokenizer has token {first}, {beyond[first]!r}, the model {rows} embeddings: give the "
            "tokenizer that the model was trained with, or save the model with resized embeddings"
        )


def _object_of(path: Path) -> dict:
    """A JSON object; raises FetchError when the file is none."""
    try:
        content = read_json(path)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise FetchError(f"{path} is not JSON with names: fetch it anew")
    return content


def write_manifest(folder: Path, facts: dict) -> dict:
    """Write size and sha256 of every file of a folder, with ``facts`` and the digest of it all."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }
    manifest = {**facts, "files": files, "digest": digest_of(files)}
    write_json(folder / MANIFEST, manifest)
    return manifest


def write_folder(model, tokenizer, folder: Path, facts: dict) -> dict:
    """Write a model and its tokenizer as a Hugging Face folder; returns its manifest."""
    model.config.use_cache = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return write_manifest(folder, facts)


def write_with_delta(source: Path, delta: Path, folder: Path, facts: dict) -> dict:
    """Write the model of the folder ``source``, with a delta in it, in its own number type; returns the manifest.

    Raises ModelFileError when the source is damaged, DeltaError when the delta is not of it or beyond its number type.
    """
    from unlearning_robustness.models.checkpoint import stored_type
    from unlearning_robustness.models.delta import apply_delta, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    dtype = stored_type(source)
    model, digest = load_model(source, "cpu", dtype)
    tensors = load_delta(delta, digest)
    if name := next((name for name, tensor in tensors.items() if not tensor.to(dtype).isfinite().all()), None):
        raise DeltaError(f"{delta}: {name} has numbers that {dtype} of {source} cannot hold: it cannot be exported")
    apply_delta(model, tensors)
    facts = {**facts, "parent_digest": digest, "dtype": str(dtype).removeprefix("torch.")}
    return write_folder(model, load_tokenizer(source), folder, facts)
