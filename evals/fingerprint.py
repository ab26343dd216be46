"""The fingerprint of a run: what was measured, on what, and with which versions.

It is written field by field, and nothing else enters it: no environment, no key, no path.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import agent
from agent.artifact import schema
from agent.prompts import Message, prompt_text
from agent.sampling import Sampling
from agent.stacks import Stack
from agent.targets.embedder import Embedder
from agent.targets.http import is_loopback
from agent.targets.target import Target
from evals.served import Served, hash_of, public_url
from fixtures.data import Preference, Task

ROOT = Path(__file__).parents[1]
AGENT_ROOT = Path(str(agent.__file__)).parents[1]
"""The tree of the agent: in an A/B session another one than the suite's."""

PACKAGES = ("local-agent-evals", "mem0ai", "openai", "qdrant-client", "xllamacpp", "pytest", "pytest-benchmark")
GRAMMARS = ("tree-sitter", "tree-sitter-bash", "tree-sitter-css", "tree-sitter-javascript", "tree-sitter-typescript")
"""What decides, with Python's own grammar, whether code parses."""

_PROMPTS = ("rules", "contract", "correction")
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a run's figures depend on, in three parts.

    ``identity`` must be equal for two runs to be alike: model, server, sampling, stacks, and the hashes of every text and task.
    ``timing`` is the hardware: where it differs, times are not comparable. ``provenance`` is shown only: commit and versions.
    """

    identity: dict[str, Any]
    timing: dict[str, Any]
    provenance: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The fingerprint as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The fingerprint that :meth:`to_dict` made."""
        return cls(saved["identity"], saved["timing"], saved["provenance"])

    def differences(self, other: Fingerprint) -> list[str]:
        """Every field that differs, as ``part.field: mine, then the other's``."""
        mine, others = dict(_leaves(self.to_dict())), dict(_leaves(other.to_dict()))
        return [
            f"{name}: {_shown(mine.get(name))}, then {_shown(others.get(name))}"
            for name in sorted(mine.keys() | others.keys())
            if mine.get(name) != others.get(name)
        ]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into a run: the texts and choices that its identity is made of.

    ``stores`` are the facts of memories that hold more than the preferences, by their number, and ``seeds`` those of generated
    texts, by what was generated.
    """

    stacks: Sequence[Stack]
    tasks: Sequence[Task]
    history: Sequence[Message]
    preferences: Sequence[Preference]
    sampling: Sampling
    seed: int
    stores: Mapping[int, Sequence[str]] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)


def fingerprint(target: Target, served: Served, embedder: Embedder | None, inputs: Inputs) -> Fingerprint:
    """The fingerprint of a run on an open target; ``embedder`` is ``None`` where no stack uses memory."""
    return Fingerprint(_identity(target, served, embedder, inputs), _timing(target, served), _provenance(target))


def _identity(target: Target, served: Served, embedder: Embedder | None, inputs: Inputs) -> dict[str, Any]:
    return {
        "model": {
            # Some servers call a model by the path of its file.
            "name": Path(target.model).name if target.model.endswith(".gguf") else target.model,
            "digest": served.digest,
            "parameter_size": served.parameter_size,
            "quantization": served.quantization,
            "template_hash": served.template_hash,
            "context_length": served.context_length,
        },
        "server": {"kind": served.kind, "version": served.version},
        "embedder": None if embedder is None else _embedder(embedder),
        "ladder": {"python": ".".join(platform.python_version_tuple()[:2])} | {name: _version(name) for name in GRAMMARS},
        "sampling": asdict(inputs.sampling) | {"seed": inputs.seed},
        "stacks": {stack.name: asdict(stack) for stack in inputs.stacks},
        "prompts": {name: hash_of(prompt_text(name)) for name in _PROMPTS},
        "schema": _hash(schema()),
        "history": _hash([asdict(turn) for turn in inputs.history]),
        "preferences": _hash([asdict(preference) for preference in inputs.preferences]),
        "stores": {str(size): _hash(list(facts)) for size, facts in inputs.stores.items()},
        "seeds": dict(inputs.seeds),
        "tasks": {task.id: _hash(asdict(task)) for task in inputs.tasks},
    }


def _embedder(embedder: Embedder) -> dict[str, Any]:
    return {"model": embedder.model, "dimensions": embedder.dimensions, "digest": embedder.digest}


def _timing(target: Target, served: Served) -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "gpus": _gpu_models(),
        "operating_system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "server_on_this_machine": is_loopback(target.base_url),
        "share_in_video_memory": served.gpu_share,
    }


def _provenance(target: Target) -> dict[str, Any]:
    commit = _printed("git", "-C", str(AGENT_ROOT), "rev-parse", "HEAD")
    status = _printed("git", "-C", str(AGENT_ROOT), "status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit,
        "dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "code": _code_hash(),
        "versions": {package: _version(package) for package in PACKAGES},
        # The embedded engine takes another free port every time.
        "url": None if target.kind == "embedded" else public_url(target.base_url),
    }


def _code_hash() -> str:
    """SHA-256 over the files that decide what is sent and how it is judged: the agent and the suite, without its own tests."""
    folders = ((AGENT_ROOT, "agent"), (ROOT, "evals"))
    files = {file.relative_to(root): file for root, folder in folders for file in (root / folder).rglob("*")}
    kinds, foreign = (".py", ".toml", ".json", ".txt"), {"selftest", "benchmarks"}
    ours = sorted(name for name in files if name.suffix in kinds and not foreign & set(name.parts))
    return hash_of("".join(f"{name.as_posix()}\0{files[name].read_text(encoding='utf-8')}\0" for name in ours))


def _cpu_model() -> str | None:
    import cpuinfo

    return cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or None


def _gpu_models() -> list[str] | None:
    names = _printed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return None if names is None else names.splitlines()


def _printed(*command: str) -> str | None:
    """What a program prints; ``None`` when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - ours
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _hash(value: Any) -> str:
    return hash_of(json.dumps(value, sort_keys=True))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    # A SHA-256 in its quotation marks.
    return f"{text[1:11]}…" if len(text) == 66 else text
