"""Memory on servers: a Qdrant server that many share, and Mem0's platform, both against doubles; and what a second process sees."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.errors import MemoryStoreError, SettingsError
from agent.mem0_store import Mem0Store, MemorySettings, memory_settings, open_memory
from agent.memory import MOST_FACTS
from agent.targets.embedder import Embedder
from evals.selftest.mem0_platform import ADD, PING, SEARCH, Platform, mem0_platform
from evals.selftest.qdrant_double import QdrantDouble, qdrant_double
from evals.selftest.scripted_server import Response, as_json, embeddings, refusing_port, scripted_server

ROOT = Path(__file__).parents[2]
TAILWIND, CSS_MODULES = "User styles components with Tailwind", "use CSS modules, not Tailwind"
OURS = "local-agent-evals-words-768"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    """An embedder that embeds by words."""
    with scripted_server({"POST /v1/embeddings": embeddings}) as server:
        yield Embedder(f"{server.url}/v1", "words", 768)


@pytest.fixture
def qdrant() -> Iterator[QdrantDouble]:
    """A double of a Qdrant server that asks for a key."""
    with qdrant_double("key") as running:
        yield running


@pytest.fixture
def shared(tmp_path: Path, embedder: Embedder, qdrant: QdrantDouble) -> MemorySettings:
    """The settings for memory on that server."""
    return MemorySettings(tmp_path / "shared", "qdrant", embedder, "key", qdrant.server.url)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A double of Mem0's platform."""
    with mem0_platform() as running:
        yield running


@pytest.fixture
def hosted(tmp_path: Path, platform: Platform) -> MemorySettings:
    """The settings for memory on that platform."""
    return MemorySettings(tmp_path / "hosted", "platform", api_key="key", host=platform.server.url)


def _open(settings: MemorySettings) -> contextlib.closing[Mem0Store]:
    return contextlib.closing(open_memory(settings))


_OTHER_PROCESS = """
import contextlib, sys
from pathlib import Path
from agent.mem0_store import MemorySettings, open_memory
from agent.targets.embedder import Embedder

folder, url, embedder = Path(sys.argv[1]), sys.argv[2], Embedder(sys.argv[3], "words", 768)
with contextlib.ExitStack() as opened:
    for settings in (MemorySettings(folder, embedder=embedder), MemorySettings(folder / "shared", "qdrant", embedder, "key", url)):
        store = opened.enter_context(contextlib.closing(open_memory(settings)))
        store.remember("User prefers tabs", "other")
    print("open", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class OtherProcess:
    """A process that has memory open in ``folder`` and on the server ``qdrant``, and has remembered one fact in each."""

    folder: Path
    qdrant: QdrantDouble


@pytest.fixture(scope="module")
def other_process(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[OtherProcess]:
    """That process, which ends with this module."""
    folder = tmp_path_factory.mktemp("other")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    with qdrant_double("key") as qdrant:
        command = [sys.executable, "-c", _OTHER_PROCESS, str(folder), qdrant.server.url, embedder.base_url]
        process = subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            yield OtherProcess(folder, qdrant)
        finally:
            _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")


@pytest.mark.usefixtures("leftovers_collected")
def test_another_processs_folder_is_locked(other_process: OtherProcess, embedder: Embedder) -> None:
    """A folder that another process has open is an error that names its lock and the ways out."""
    with pytest.raises(MemoryStoreError, match="another process has it open") as raised:
        open_memory(MemorySettings(other_process.folder, embedder=embedder))
    assert f"the lock {other_process.folder / 'qdrant' / '.lock'}. Next: wait until that ends" in str(raised.value)
    assert "--memory-dir DIR, or share a Qdrant server with --memory qdrant=URL" in str(raised.value)


def test_processes_share_a_qdrant_server(other_process: OtherProcess, embedder: Embedder, tmp_path: Path) -> None:
    """Memory on a Qdrant server that another process has open can be read, and a fact of that process's be corrected."""
    settings = MemorySettings(tmp_path, "qdrant", embedder, "key", other_process.qdrant.server.url)
    with _open(settings) as store:
        assert store.preferences("other") == ("User prefers tabs",)
        change = store.remember("spaces, not tabs", "other")
        assert change is not None
        assert change.old == "User prefers tabs"


def test_a_change_that_another_folder_made_has_no_old_words(shared: MemorySettings) -> None:
    """A change on a Qdrant server is read whole where it was made, and elsewhere as a change whose old words are not known."""
    with _open(shared) as store, _open(replace(shared, folder=shared.folder / "other")) as other:
        store.remember(TAILWIND, "me")
        store.remember(CSS_MODULES, "me")
        assert [(change.old, change.new) for change in store.changes("me")] == [(TAILWIND, CSS_MODULES)]
        (change,) = other.changes("me")
        assert (change.old, change.new, change.when) == (None, CSS_MODULES, store.changes("me")[0].when)
        assert str(change) == f"(a fact that another memory folder knows) -> {CSS_MODULES}"


def test_a_qdrant_server_gets_the_key_alone(shared: MemorySettings, qdrant: QdrantDouble) -> None:
    """Every request to a Qdrant server carries the key as its header, and facts stand in a collection of our own."""
    with _open(shared) as store:
        store.remember("User prefers tabs", "me")
    assert set(qdrant.server.api_keys) == {"key"}
    assert [collection.name for collection in qdrant.engine.get_collections().collections] == [OURS]
    assert {"field_name": "kind", "field_schema": "keyword"} in qdrant.server.bodies(f"PUT /collections/{OURS}/index?wait=true")


def test_a_change_of_embedder_keeps_preferences_on_a_server(shared: MemorySettings) -> None:
    """Preferences on a Qdrant server that were stored through one embedder are there through the next one."""
    assert shared.embedder
    with _open(shared) as store:
        store.remember("User prefers tabs", "me")
    with _open(replace(shared, embedder=replace(shared.embedder, model="another"))) as store:
        assert store.preferences("me") == ("User prefers tabs",)


def test_others_collections_are_left_alone(shared: MemorySettings, qdrant: QdrantDouble) -> None:
    """Nothing is read from collections on a Qdrant server whose names are not ours, even if they look like memory."""
    from qdrant_client.http.models import Distance, PointStruct, VectorParams

    qdrant.engine.create_collection("theirs", VectorParams(size=2, distance=Distance.COSINE))
    fact = {"data": "Theirs", "user_id": "me", "kind": "preference"}
    qdrant.engine.upsert("theirs", [PointStruct(id=1, vector=[1.0, 0.0], payload=fact)])
    with _open(shared) as store:
        assert store.preferences("me") == ()
    assert [route for route, _ in qdrant.server.requests if "theirs" in route] == []


def test_two_may_make_the_collection_at_once(shared: MemorySettings, qdrant: QdrantDouble) -> None:
    """Where another process makes the collection between our look and our making it, opening goes on with theirs."""
    route = f"PUT /collections/{OURS}"

    def overtaken(body: dict[str, object]) -> Response:
        qdrant.answer(route, body)
        return as_json({"status": {"error": "Wrong input: Collection already exists!"}}, 409)

    qdrant.server.routes[route] = overtaken
    with _open(shared) as store:
        store.remember("User prefers tabs", "me")
        assert store.preferences("me") == ("User prefers tabs",)


@pytest.mark.usefixtures("leftovers_collected")
def test_a_key_that_qdrant_refuses_is_a_memory_error(shared: MemorySettings, qdrant: QdrantDouble) -> None:
    """A wrong key is an error that names the server, what it said and the variable, when opening and later on."""
    with pytest.raises(MemoryStoreError, match=r"HTTP 401: .*Invalid API key.* Next: set QDRANT_API_KEY") as raised:
        open_memory(replace(shared, api_key="wrong"))
    assert f"open memory on the Qdrant server {qdrant.server.url}" in str(raised.value)
    with _open(shared) as store:
        qdrant.api_key = "changed"
        with pytest.raises(MemoryStoreError, match=r"Could not write memory: .*HTTP 401.* Next: set QDRANT_API_KEY"):
            store.remember("User prefers tabs", "me")


@pytest.mark.usefixtures("leftovers_collected")
def test_a_qdrant_server_that_fails_is_a_memory_error(shared: MemorySettings, qdrant: QdrantDouble) -> None:
    """A fault of the server is an error with its status and its words."""
    with _open(shared) as store:
        qdrant.server.others = lambda *_: as_json({"status": {"error": "disk full"}}, 500)
        with pytest.raises(MemoryStoreError, match=r"Could not list memory: the Qdrant server answered HTTP 500: .*disk full"):
            store.preferences("me")


@pytest.mark.usefixtures("leftovers_collected")
def test_a_qdrant_server_that_is_down_is_a_memory_error(shared: MemorySettings) -> None:
    """A refused connection is an error that names the server and the option."""
    with refusing_port() as port, pytest.raises(MemoryStoreError, match=r"refused. Next: start it, or check --memory qdrant=URL"):
        open_memory(replace(shared, host=f"http://127.0.0.1:{port}"))


def test_a_choice_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``local``, ``platform`` and ``qdrant=URL`` are chosen by name, each with its key from the environment."""
    monkeypatch.setenv("MEM0_API_KEY", "one")
    monkeypatch.setenv("QDRANT_API_KEY", "two")
    assert memory_settings("local", tmp_path) == MemorySettings(tmp_path)
    assert memory_settings("platform", tmp_path) == MemorySettings(tmp_path, "platform", api_key="one")
    chosen = memory_settings("qdrant=https://example.com:6333/", tmp_path)
    assert chosen == MemorySettings(tmp_path, "qdrant", api_key="two", host="https://example.com:6333")
    assert "two" not in repr(chosen)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("cloud", r"--memory is local, platform or qdrant=URL, .*; this is 'cloud'"),
        ("qdrant", "--memory is local"),
        ("qdrant=", "begins with http"),
        ("qdrant=localhost:6333", "begins with http"),
        ("local=x", "--memory is local"),
        ("qdrant=http://me:secret@127.0.0.1:6333", "a key goes into QDRANT_API_KEY"),
        ("qdrant=http://127.0.0.1:6333?api-key=secret", "a key goes into QDRANT_API_KEY"),
        ("qdrant=me:secret@127.0.0.1:6333", "begins with http"),
        ("Qdrant=http://me:secret@127.0.0.1:6333", "--memory is local"),
    ],
)
def test_a_wrong_choice_of_memory_is_refused(tmp_path: Path, choice: str, words: str) -> None:
    """What is no choice of memory is an error that says what is one; a URL with a password is refused without showing it."""
    with pytest.raises(SettingsError, match=words) as raised:
        memory_settings(choice, tmp_path)
    assert "secret" not in str(raised.value)


def test_what_is_written_to_the_platform_can_be_found(hosted: MemorySettings, platform: Platform) -> None:
    """The platform answers that a fact is pending; remembering ends when a search finds it, so the same again stores nothing."""
    platform.lag = 3
    with _open(hosted) as store:
        store.remember(TAILWIND, "me")
        store.remember(TAILWIND, "me")
        assert store.retrieve_context("tailwind", "me").facts == (TAILWIND,)
        assert store.remember(CSS_MODULES, "me") is not None
    assert len(platform.server.bodies(ADD)) == 1


def test_what_the_platform_never_shows_is_a_memory_error(hosted: MemorySettings, platform: Platform) -> None:
    """A fact that no search finds in time is an error that says so, and how to look before storing it again."""
    platform.lag = 1_000_000
    with _open(replace(hosted, visible_seconds=0.1)) as store, pytest.raises(MemoryStoreError, match=r"after 0.1 s") as raised:
        store.remember("User prefers tabs", "me")
    assert "Next: python -m agent --memories --memory platform" in str(raised.value)


def test_the_platforms_limit_is_a_memory_error(hosted: MemorySettings, platform: Platform) -> None:
    """Too many requests are an error that says how long the platform wants one to wait."""
    detail = b'{"detail": "Rate limit exceeded"}'
    with _open(hosted) as store:
        platform.server.routes[SEARCH] = lambda _: Response([detail], 429, headers={"Retry-After": "7"})
        with pytest.raises(MemoryStoreError, match=r"Rate limit exceeded.* Next: wait 7 s, then run the same command again"):
            store.retrieve_context("tabs", "me")


def test_a_key_that_the_platform_refuses_later_is_a_memory_error(hosted: MemorySettings, platform: Platform) -> None:
    """A key that is refused after opening is an error that names the variable."""
    with _open(hosted) as store:
        platform.server.routes[SEARCH] = lambda _: as_json({"detail": "Invalid token"}, 401)
        with pytest.raises(MemoryStoreError, match=r"Invalid token.* Next: set MEM0_API_KEY"):
            store.remember("User prefers tabs", "me")


def test_an_update_that_fails_leaves_the_old_fact(hosted: MemorySettings, platform: Platform) -> None:
    """When the platform fails in the middle of a correction, the error says so and the old fact stands."""
    with _open(hosted) as store:
        store.remember(TAILWIND, "me")
        platform.server.routes["PUT /v1/memories/memory-0/"] = lambda _: as_json({"detail": "busy"}, 503)
        with pytest.raises(MemoryStoreError, match=r"Could not write memory.*busy"):
            store.remember(CSS_MODULES, "me")
        assert (store.preferences("me"), store.changes("me")) == ((TAILWIND,), ())


def test_a_context_of_many_facts_lists_few(hosted: MemorySettings, platform: Platform) -> None:
    """Where a search finds nothing that fits, a context is filled up from a hundred facts at most, not from all of them."""
    platform.page_size = 20
    with _open(hosted) as store:
        store.remember_all([f"User likes number {number:03}" for number in range(120)], "me")
        platform.server.routes[SEARCH] = lambda _: as_json({"results": []})
        platform.server.requests.clear()
        assert store.retrieve_context("tabs", "me").facts == tuple(f"User likes number {number:03}" for number in range(MOST_FACTS))
    assert sum(route.startswith("POST /v3/memories/?page=") for route, _ in platform.server.requests) == 5


def test_the_platforms_history_of_others_is_not_shown(hosted: MemorySettings, platform: Platform) -> None:
    """Changes that the platform tells of another user are dropped on our side."""
    with _open(hosted) as store:
        store.remember(TAILWIND, "me")
        store.remember(CSS_MODULES, "me")
        platform.histories["memory-0"].append(platform.histories["memory-0"][-1] | {"user_id": "other", "new_memory": "Theirs"})
        assert [change.new for change in store.changes("me")] == [CSS_MODULES]


def test_the_platform_needs_a_key(tmp_path: Path) -> None:
    """Without a key, opening the platform memory is an error that names the variable."""
    with pytest.raises(SettingsError, match="MEM0_API_KEY"):
        open_memory(MemorySettings(tmp_path, "platform"))


@pytest.mark.usefixtures("leftovers_collected")
@pytest.mark.parametrize("status", [401, 500])
def test_a_platform_that_refuses_is_a_memory_error(tmp_path: Path, status: int) -> None:
    """A key that the platform refuses, or a fault of it, is a MemoryStoreError with its reason."""
    with scripted_server({PING: lambda _: as_json({"detail": "Invalid API key"}, status)}) as server:
        with pytest.raises(MemoryStoreError, match=r"open the platform memory.*Invalid API key"):
            open_memory(MemorySettings(tmp_path, "platform", api_key="wrong", host=server.url))
        assert server.authorizations == ["Token wrong"]


def test_a_platform_that_fails_later_is_a_memory_error(tmp_path: Path) -> None:
    """A fault of the platform after opening is a MemoryStoreError that says what was being done."""
    with mem0_platform() as platform:
        settings = MemorySettings(tmp_path, "platform", api_key="key", host=platform.server.url)
        with contextlib.closing(open_memory(settings)) as store:
            platform.server.routes |= {route: lambda _: as_json({"detail": "quota"}, 429) for route in (ADD, SEARCH)}
            with pytest.raises(MemoryStoreError, match=r"Could not search memory.*quota"):
                store.retrieve_context("x", "me")
            with pytest.raises(MemoryStoreError, match=r"Could not write memory.*quota"):
                store.remember("x", "me")


def test_the_platform_stores_facts_as_they_are(tmp_path: Path) -> None:
    """The platform is told the kind and to store the words without inference; a trace carries the reply."""
    with mem0_platform() as platform:
        settings = MemorySettings(tmp_path, "platform", api_key="key", host=platform.server.url)
        with contextlib.closing(open_memory(settings)) as store:
            store.remember("User prefers tabs", "me")
            store.write_back("the task", "the reply", "me")
        fact, trace = platform.server.bodies(ADD)
        assert fact["messages"] == [{"role": "user", "content": "User prefers tabs"}]
        assert (fact["user_id"], fact["infer"], fact["metadata"]) == ("me", False, {"kind": "preference"})
        assert trace["metadata"] == {"kind": "trace", "reply": "the reply"}


def test_the_platform_is_asked_for_five(tmp_path: Path) -> None:
    """A search on the platform is scoped to the user and the kind, and asks for five by top_k."""
    with mem0_platform() as platform:
        settings = MemorySettings(tmp_path, "platform", api_key="key", host=platform.server.url)
        with contextlib.closing(open_memory(settings)) as store:
            store.retrieve_context("tabs", "me")
        (search,) = platform.server.bodies(SEARCH)
        assert (search["query"], search["top_k"], search["threshold"]) == ("tabs", MOST_FACTS, 0.0)
        assert search["filters"] == {"AND": [{"user_id": "me"}, {"metadata": {"kind": "preference"}}]}


def test_a_platform_that_ignores_filters_leaks_nothing(tmp_path: Path) -> None:
    """Other users' facts and traces are dropped on our side, even if the platform hands them out."""
    with mem0_platform() as platform:
        settings = MemorySettings(tmp_path, "platform", api_key="key", host=platform.server.url)
        with contextlib.closing(open_memory(settings)) as store:
            store.remember("User prefers tabs", "me")
            store.remember("User prefers spaces", "other")
            store.write_back("User prefers a task", "reply", "me")
            platform.ignores_filters = True
            assert store.retrieve_context("User prefers", "me").facts == ("User prefers tabs",)
            assert store.preferences("me") == ("User prefers tabs",)
