"""The calls that are inside a running generator: which requests each of them waits for, and what became of those.

Everything here happens on the model's thread; a call's future carries its outcome to the event loop.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from core.errors import OutOfMemory, RequestFailed
from falcon.generator import Failure, Generated, GenerationRequest, Outcome, RunningGenerator

Answers = Future[list[Generated]]


@dataclass(slots=True, eq=False)
class _Call:
    """One call; `outcomes` of its requests by their id, complete when the call is over."""

    requests: Sequence[GenerationRequest]
    answers: Answers
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return len(self.outcomes) == len(self.requests)

    def resolve(self) -> None:
        """Hand over the answers in the order of the requests, or the first failure."""
        answers: list[Generated] = []
        for request in self.requests:
            outcome = self.outcomes[request.id]
            if isinstance(outcome, Failure):
                self.answers.set_exception(_of_one_request(outcome.error))
                return
            answers.append(outcome)
        self.answers.set_result(answers)


def _of_one_request(error: Exception) -> Exception:
    """Return what a call is told of a request that failed alone: not that the model crashed."""
    if isinstance(error, OutOfMemory):
        return error
    failed = RequestFailed(f"This request cannot be decoded: {error}")
    failed.__cause__ = error
    return failed


class RunningCalls:
    """Submits the requests of calls to one generator and resolves each call once all of its requests have ended."""

    def __init__(self, generator: RunningGenerator) -> None:
        self._generator = generator
        self._inside: dict[str, _Call] = {}  # by the id of each request that is inside
        # A request whose lease was lost may come again while its first decoding has not ended yet.
        self._waiting: list[_Call] = []

    @property
    def is_idle(self) -> bool:
        return not self._inside and not self._waiting

    def add(self, requests: Sequence[GenerationRequest], answers: Answers) -> None:
        """Let a call in; its requests join the batch at the next step."""
        if answers.set_running_or_notify_cancel():
            self._waiting.append(_Call(requests, answers))
            self._let_in()

    def step(self) -> None:
        """Advance the batch once; a crash fails every call that is inside and no other."""
        try:
            outcomes = self._generator.step()
        except Exception as error:
            self._fail_all(error)
        else:
            for outcome in outcomes:
                self._end(outcome)
            if self._inside and self._generator.num_inside == 0:
                self._fail_all(RuntimeError(f"the model lost {len(self._inside)} requests"))
        self._let_in()

    def _let_in(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            if any(request.id in self._inside for request in call.requests):
                self._waiting.append(call)
            else:
                self._submit(call)

    def _submit(self, call: _Call) -> None:
        self._inside |= dict.fromkeys((request.id for request in call.requests), call)
        try:
            for request in call.requests:
                self._generator.submit(request)
        except Exception as error:
            self._fail(call, error)
        else:
            if call.is_over:  # it asked for nothing
                call.resolve()

    def _end(self, outcome: Outcome) -> None:
        call = self._inside.pop(outcome.request_id, None)
        if call is None:  # of a call that has failed already
            return
        call.outcomes[outcome.request_id] = outcome
        if call.is_over:
            call.resolve()

    def _fail_all(self, error: Exception) -> None:
        for call in dict.fromkeys(self._inside.values()):
            self._fail(call, error)

    def _fail(self, call: _Call, error: Exception) -> None:
        for request in call.requests:
            self._inside.pop(request.id, None)
        call.answers.set_exception(error)
