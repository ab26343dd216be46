"""The agent's loop, with a scripted model and a scripted memory behind the Protocols that it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from agent.artifact import Artifact, parse
from agent.errors import ArtifactError, MemoryStoreError, ModelStreamError, ModelTimeoutError, SettingsError
from agent.loop import Agent, Reply
from agent.memory import Context, FactChange
from agent.model import Completion, OnText
from agent.prompts import Message, build_messages, prompt_text
from agent.sampling import Sampling
from agent.stacks import STACKS, Decoding
from fixtures.data import load_history

NAIVE, OPTIMIZED = STACKS["naive"], STACKS["optimized"]
REQUEST = "Write one"
FACTS = ("User prefers tabs", "User writes Python")
ARTIFACT = Artifact("x = 1\n", "py", "one.py", "One.")
VALID = ARTIFACT.to_json()
PROSE = "Sure, here it is!"
WRONG = VALID.replace('"py"', '"python"')


@dataclass
class ScriptedModel:
    """Gives its answers in order, raises those that are exceptions, and keeps what it was asked."""

    answers: list[str | Exception]
    calls: list[tuple[tuple[Message, ...], Sampling]] = field(default_factory=list)

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """The next answer."""
        self.calls.append((tuple(messages), sampling))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if on_text is not None:
            on_text(answer)
        return Completion(10, 5, None, 0.1, 0.2, "stop", answer)


@dataclass
class ScriptedMemory:
    """Holds facts, and keeps what it was asked and told."""

    facts: tuple[str, ...] = FACTS
    asked: list[tuple[str, str]] = field(default_factory=list)
    written: list[tuple[str, str, str]] = field(default_factory=list)
    fault: Exception | None = None
    write_fault: Exception | None = None

    def retrieve_context(self, query: str, user_id: str) -> Context:
        """The facts."""
        self.asked.append((query, user_id))
        if self.fault:
            raise self.fault
        return Context(self.facts, 0.01)

    def remember(self, fact: str, user_id: str) -> FactChange | None:
        """The loop never remembers by itself."""
        raise AssertionError(f"the loop stored {fact!r} for {user_id}")

    def remember_all(self, facts: Sequence[str], user_id: str) -> int:
        """The loop never remembers by itself."""
        raise AssertionError(f"the loop stored {facts!r} for {user_id}")

    def changes(self, user_id: str) -> tuple[FactChange, ...]:
        """The loop never asks for changes."""
        raise AssertionError(f"the loop asked for the changes of {user_id}")

    def preferences(self, user_id: str) -> tuple[str, ...]:
        """The loop never lists preferences."""
        raise AssertionError(f"the loop listed the preferences of {user_id}")

    def write_back(self, task: str, reply: str, user_id: str) -> None:
        """Keep the trace."""
        if self.write_fault:
            raise self.write_fault
        self.written.append((task, reply, user_id))

    def close(self) -> None:
        """The loop never closes what it was given."""
        raise AssertionError("the loop closed memory")


def _run(*answers: str | Exception, stack: str = "optimized", memory: ScriptedMemory | None = None) -> tuple[Reply, ScriptedModel]:
    model = ScriptedModel(list(answers))
    reply = Agent(model, memory or ScriptedMemory(), load_history()).run(STACKS[stack], REQUEST, "me")
    return reply, model


def _complaint(text: str) -> str:
    with pytest.raises(ArtifactError) as raised:
        parse(text)
    return str(raised.value)


def test_a_valid_answer_is_one_attempt() -> None:
    """A valid first answer ends the loop: one call, the artifact, no failure."""
    reply, model = _run(VALID)
    assert (reply.artifact, reply.failure, reply.warning) == (ARTIFACT, None, "")
    assert (len(reply.attempts), len(model.calls)) == (1, 1)
    assert (reply.stack, reply.request) == (OPTIMIZED, REQUEST)


def test_the_optimized_prompt_holds_what_memory_gave() -> None:
    """Memory is asked for the request and the user, and the first prompt is built from its facts, without the history."""
    memory = ScriptedMemory()
    reply, model = _run(VALID, memory=memory)
    assert memory.asked == [(REQUEST, "me")]
    assert reply.context == Context(FACTS, 0.01)
    assert model.calls[0][0] == build_messages(OPTIMIZED, REQUEST, facts=FACTS)


def test_the_naive_prompt_holds_the_history() -> None:
    """The naive stack sends the history and does not ask memory."""
    memory = ScriptedMemory()
    reply, model = _run(VALID, stack="naive", memory=memory)
    assert model.calls[0][0] == build_messages(NAIVE, REQUEST, history=load_history())
    assert (memory.asked, reply.context) == ([], None)


@pytest.mark.parametrize("answer", [PROSE, WRONG, "", f"```json\n{VALID}\n```"], ids=["prose", "wrong language", "empty", "fence"])
def test_an_invalid_answer_is_retried_with_its_error(answer: str) -> None:
    """The retry is the first prompt, the failed answer as the assistant's turn and the exact error as the user's turn."""
    reply, model = _run(answer, VALID)
    first, second = (messages for messages, _ in model.calls)
    turns = second[len(first) :]
    assert second[: len(first)] == first
    assert turns[0] == Message("assistant", answer)
    assert turns[1] == Message("user", prompt_text("correction").replace("{error}", _complaint(answer)))
    assert (reply.artifact, reply.failure, len(reply.attempts)) == (ARTIFACT, None, 2)
    assert str(reply.attempts[0].failure) == _complaint(answer)


def test_there_is_one_retry() -> None:
    """Two invalid answers end the loop: the reply fails for the second one's reason."""
    reply, model = _run(PROSE, WRONG, VALID)
    assert (reply.artifact, len(reply.attempts), len(model.calls)) == (None, 2, 2)
    assert str(reply.failure) == _complaint(WRONG)
    assert [attempt.completion.text for attempt in reply.attempts] == [PROSE, WRONG]


def test_naive_never_retries() -> None:
    """The naive stack makes one call, and its invalid answer is the reply."""
    reply, model = _run(PROSE, VALID, stack="naive")
    assert (reply.artifact, len(reply.attempts), len(model.calls)) == (None, 1, 1)
    assert str(reply.failure) == _complaint(PROSE)


def test_each_further_retry_sees_all_failed_answers() -> None:
    """A stack with two retries sends both failed answers with their errors in the third call."""
    model = ScriptedModel([PROSE, WRONG, VALID])
    Agent(model, ScriptedMemory()).run(replace(OPTIMIZED, retries=2), REQUEST, "me")
    assert [message.role for message in model.calls[2][0]] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message.content for message in model.calls[2][0] if message.role == "assistant"] == [PROSE, WRONG]


def test_all_attempts_have_the_same_sampling() -> None:
    """The sampling that was given goes with every attempt."""
    model = ScriptedModel([PROSE, VALID])
    sampling = Sampling(temperature=0.7, seed=42)
    Agent(model, ScriptedMemory()).run(OPTIMIZED, REQUEST, "me", sampling)
    assert [sent for _, sent in model.calls] == [sampling, sampling]


def test_text_is_passed_on_as_it_comes() -> None:
    """The callback gets the text of every attempt."""
    pieces: list[str] = []
    Agent(ScriptedModel([PROSE, VALID]), ScriptedMemory()).run(OPTIMIZED, REQUEST, "me", on_text=pieces.append)
    assert pieces == [PROSE, VALID]


def test_a_fault_on_the_retry_keeps_the_first_attempt() -> None:
    """A fault while the retry is answered is raised, and carries the attempt that was completed before it."""
    with pytest.raises(ModelTimeoutError) as raised:
        _run(PROSE, ModelTimeoutError("silent"))
    (attempt,) = raised.value.attempts
    assert (attempt.completion.text, str(attempt.failure)) == (PROSE, _complaint(PROSE))
    assert raised.value.context == Context(FACTS, 0.01)


def test_a_fault_at_once_has_no_attempts() -> None:
    """A fault of the first call carries no attempt and is not retried."""
    model = ScriptedModel([ModelStreamError("dropped"), VALID])
    with pytest.raises(ModelStreamError) as raised:
        Agent(model, ScriptedMemory()).run(OPTIMIZED, REQUEST, "me")
    assert (raised.value.attempts, len(model.calls)) == ((), 1)


@pytest.mark.parametrize(
    ("name", "answers"),
    [("naive", [VALID]), ("optimized", [f" {VALID}"]), ("optimized", [PROSE, VALID])],
    ids=["naive", "first", "retry"],
)
def test_a_valid_answer_is_written_back(name: str, answers: list[str]) -> None:
    """A valid answer, at the first try or the second, is written back once, as the request and the artifact's JSON."""
    memory = ScriptedMemory()
    _run(*answers, stack=name, memory=memory)
    assert memory.written == [(REQUEST, VALID, "me")]


@pytest.mark.parametrize(("name", "answers"), [("naive", [PROSE]), ("optimized", [PROSE, WRONG])])
def test_an_invalid_answer_is_not_written_back(name: str, answers: list[str]) -> None:
    """What never became valid leaves no trace."""
    memory = ScriptedMemory()
    _run(*answers, stack=name, memory=memory)
    assert memory.written == []


def test_a_faulty_call_is_not_written_back() -> None:
    """A call that ended in a fault leaves no trace."""
    memory = ScriptedMemory()
    with pytest.raises(ModelTimeoutError):
        _run(ModelTimeoutError("silent"), memory=memory)
    assert memory.written == []


def test_a_fault_while_writing_back_is_a_warning() -> None:
    """When the trace cannot be written, the valid answer is kept and the reply says what went wrong."""
    reply, _ = _run(VALID, memory=ScriptedMemory(write_fault=MemoryStoreError("disk full")))
    assert (reply.artifact, reply.failure, reply.warning) == (ARTIFACT, None, "disk full")


def test_read_only_memory_is_never_written() -> None:
    """With memory read-only, facts are retrieved and nothing is written back."""
    memory = ScriptedMemory()
    Agent(ScriptedModel([VALID]), memory, read_only=True).run(OPTIMIZED, REQUEST, "me")
    assert (memory.asked, memory.written) == ([(REQUEST, "me")], [])


@pytest.mark.parametrize("request_text", ["", " \n\t"])
def test_an_empty_request_is_an_error(request_text: str) -> None:
    """An empty request is refused before memory or model are asked."""
    model, memory = ScriptedModel([VALID]), ScriptedMemory()
    with pytest.raises(SettingsError, match="The request is empty"):
        Agent(model, memory).run(OPTIMIZED, request_text, "me")
    assert (model.calls, memory.asked) == ([], [])


def test_a_stack_with_memory_needs_one() -> None:
    """The optimized stack without a memory is refused before the model is asked."""
    model = ScriptedModel([VALID])
    with pytest.raises(SettingsError, match="'optimized' needs a memory"):
        Agent(model).run(OPTIMIZED, REQUEST, "me")
    assert model.calls == []


def test_naive_needs_no_memory() -> None:
    """The naive stack answers without any memory."""
    assert Agent(ScriptedModel([VALID])).run(NAIVE, REQUEST, "me").artifact == ARTIFACT


def test_a_fault_of_memory_is_raised() -> None:
    """When memory fails, the fault is raised, the model is not asked, and no prompt goes out without its facts."""
    model = ScriptedModel([VALID])
    with pytest.raises(MemoryStoreError):
        Agent(model, ScriptedMemory(fault=MemoryStoreError("locked"))).run(OPTIMIZED, REQUEST, "me")
    assert model.calls == []


def test_an_answer_in_a_fence_is_recorded() -> None:
    """The attempt of an answer in a code fence says that the artifact stood in a fence, and is a failure."""
    reply, _ = _run(f"```json\n{VALID}\n```", PROSE)
    assert [attempt.failure.json_in_fence for attempt in reply.attempts if attempt.failure] == [True, False]
