"""The beam-search engine: requests join a running batch, advance together one token at a time, and leave when done.

    schedule   drop what is cancelled, seat what waits, as far as seats and the step's share of prompt tokens reach
    step       one pass of the model over all rows: the beams' newest tokens, and the prompts of who just sat down
    finish     take out who is done, and close the gap

The host never waits for the step that it has just queued: what a step did is looked at when the next one is already
running. The arithmetic lies elsewhere: search in `falcon/beam_search.py`, rules in `falcon/search_rules.py`, the model
in `falcon/row_model.py`, state in `falcon/seats.py`. It does not know texts, tokenizers, Midjourney or the worker.

Shapes: B seats, G groups, K beams of one group, R rows, V vocabulary.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.errors import ModelError
from falcon.beam_search import Beams, FinishedBeam, SearchSettings, hypotheses_by_group, take
from falcon.row_model import RowModel
from falcon.search_rules import Known, RuleSettings, SearchRules
from falcon.seats import Newcomer, Seats, first_seats, to_device
from falcon.serving_metrics import Ending, ServingMetrics
from falcon.step_runner import EagerSteps, PromptRows, StepRunner
from falcon.stochastic_beams import perturb

MAX_PROMPT_TOKENS_A_STEP = 256  # a prompt is read beside the beams of others and must not hold them up for long
MAX_PROMPT_TOKENS_AT_ONCE = 2048  # where nobody decodes yet


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What to continue: `prompt` in tokens, one or more.

    `subject` and `avoided` are tokens that word penalties know of; `adapter` names a resident adapter, None the model
    as it is; `seed` matters to stochastic beams only.
    `max_new_tokens` may be less than the search's. `is_cancelled` is polled before every step.
    """

    id: str
    prompt: Sequence[int]
    subject: Sequence[int] = ()
    avoided: Sequence[int] = ()
    adapter: str | None = None
    seed: int = 0
    max_new_tokens: int | None = None
    is_cancelled: Callable[[], bool] = _never


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A request that left. `groups` holds the finished beams of each group, best first; empty when it was cancelled.

    `error` says why it failed, None where it did not. `seconds` counts from sitting down.
    """

    id: str
    groups: list[list[FinishedBeam]]
    error: Exception | None
    seconds: float


@dataclass(slots=True, eq=False)
class _Inside:
    """A request on its way: where it sits and how many steps are queued for it."""

    request: EngineRequest
    submitted_at: float
    seat: int = -1
    home: int = -1
    num_steps: int = 0
    joined_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Queued:
    """A step that the device was given: who sat where, and flags (2, B) that arrive: still open, broken."""

    who: list[_Inside]
    flags: Tensor
    arrived: Callable[[], None]


class Engine:
    """One model's running batch; every call comes from the one thread that owns the model."""

    def __init__(
        self,
        model: RowModel,
        search: SearchSettings,
        rules: RuleSettings | None = None,
        *,
        runner: StepRunner | None = None,
        make_seats: type[Seats] = Seats,
        metrics: ServingMetrics | None = None,
    ) -> None:
        shape, weights = model.memory.shape, model.weights
        if shape.rows_per_home != search.num_beams or shape.max_new_tokens != search.max_new_tokens:
            raise ValueError("token memory and search differ in rows or new tokens")
        if shape.max_tokens > weights.max_positions:
            raise ModelError(
                f"Texts of {shape.max_tokens} tokens do not fit a model of {weights.max_positions}; set max_new_tokens "
                "lower."
            )
        self.search, self.model = search, model
        self.metrics = metrics or ServingMetrics()
        self._seats = make_seats(model.memory, search, weights.device)
        self._rules = SearchRules(
            rules or RuleSettings(),
            search,
            num_seats=shape.num_homes,
            max_prompt_tokens=shape.max_prompt_tokens,
            vocab_size=len(weights.embedding),
            device=weights.device,
        )
        self._runner = runner or EagerSteps()
        # What earlier groups chose may cost, so a row brings as many tokens more as they can name.
        wanted = 2 * search.beams_per_group + (search.num_beams - search.beams_per_group) * search.is_diverse
        self._shortlist_size = min(wanted, len(weights.embedding))
        self._waiting: deque[_Inside] = deque()
        self._seated: list[_Inside] = []  # its index is the seat
        self._queued: deque[_Queued] = deque()
        self._last_step_at = 0.0  # its end, or when the device was given work after it had none

    # ---- what the owner calls

    @property
    def num_inside(self) -> int:
        """How many requests wait or decode."""
        return len(self._waiting) + len(self._seated)

    @property
    def num_rows(self) -> int:
        """How many rows of the batch are in use."""
        return len(self._seated) * self.search.num_beams

    @torch.inference_mode()
    def prepare(self) -> None:
        """Compile or capture what steps need, so that the first request does not wait for it; nobody is inside yet."""
        self._runner.prepare(self.compute_step, adapter_layout=self.model.adapters.layout)

    def submit(self, request: EngineRequest) -> None:
        """Let a request wait for a seat.

        Raises:
            ModelError: its prompt is empty or too long, has a token that the model does not know, or its adapter is
                not loaded.
        """
        limit, vocabulary = self.model.memory.shape.max_prompt_tokens, len(self.model.weights.embedding)
        if not 1 <= len(request.prompt) <= limit:
            raise ModelError(f"A prompt of {len(request.prompt)} tokens cannot be taken; 1 to {limit} can.")
        for tokens in (request.prompt, request.subject, request.avoided):
            if any(not 0 <= token < vocabulary for token in tokens):
                raise ModelError(f"A token is outside of the vocabulary of {vocabulary}; use the model's tokenizer.")
        if not 1 <= self._limit_of(request) <= self.search.max_new_tokens:
            raise ModelError(
                f"max_new_tokens = {request.max_new_tokens} is out of range; set 1 to {self.search.max_new_tokens}."
            )
        if not -(2**63) <= request.seed < 2**63:
            raise ModelError(f"seed = {request.seed} is out of range; set a number of 64 bits.")
        self.model.adapters.slot_of(request.adapter)
        self._waiting.append(_Inside(request, time.monotonic()))

    @torch.inference_mode()
    def step(self) -> list[Ended]:
        """Advance everything inside by one token; return what ended since the last call."""
        ended = self._drop_cancelled() + self._drop_unservable()
        prompts = self._seat_waiting()
        if self._seated and not self._is_over():
            self._queue_step(prompts)
        ended += self._finish()
        self.metrics.set_load(num_rows=self.num_rows, num_requests=self.num_inside)
        return ended

    @torch.inference_mode()
    def best_so_far(self, request_id: str) -> list[int] | None:
        """Return the tokens of a request's best beam of all, finished or running; None before its first token."""
        inside = next((one for one in self._seated if one.request.id == request_id), None)
        if inside is None or inside.num_steps == 0:
            return None
        beams = take(self._seats.beams, self._tensor([inside.seat]), torch.device("cpu"))
        num_steps = int(beams.num_steps[0])
        if bool(beams.is_finished[0].any()):
            best = max(
                (beam for group in hypotheses_by_group(beams, self.search)[0] for beam in group),
                key=lambda beam: beam.score,
            )
            return best.tokens
        place = int(beams.scores[0].argmax())
        return [int(token) for token in beams.tokens[0].flatten(0, 1)[place, :num_steps]]

    def drop_all(self) -> None:
        """Forget everything inside, after a step went wrong as a whole."""
        self._waiting.clear()
        self._queued.clear()
        gone, self._seated = self._seated, []
        for inside in gone:
            inside.seat = -1
            self.model.memory.give_home_back(inside.home)
        if gone:  # the last thing, for a device in trouble may refuse
            self._seats.leave(self._tensor(range(len(gone))))

    # ---- schedule

    def _drop_cancelled(self) -> list[Ended]:
        gone = [one for one in (*self._waiting, *self._seated) if one.request.is_cancelled()]
        self._take_out([inside for inside in gone if inside.seat >= 0])
        if gone:
            self._waiting = deque(inside for inside in self._waiting if inside not in gone)
        return [self._ended(inside, [], Ending.CANCELLED) for inside in gone]

    def _drop_unservable(self) -> list[Ended]:
        """Let go who waits for an adapter that was unloaded in the meantime."""
        ended = []
        for inside in list(self._waiting):
            try:
                self.model.adapters.slot_of(inside.request.adapter)
            except ModelError as error:
                self._waiting.remove(inside)
                ended.append(self._ended(inside, [], Ending.FAILED, error))
        return ended

    def _seat_waiting(self) -> PromptRows | None:
        """Seat who waits, first come first served; return the prompts that the next step has to read."""
        share = self._runner.max_prompt_tokens_at_once or MAX_PROMPT_TOKENS_AT_ONCE
        if self._seated:
            share = MAX_PROMPT_TOKENS_A_STEP
        newcomers: list[_Inside] = []
        while self._waiting and self.model.memory.num_free_homes:
            share -= len(self._waiting[0].request.prompt)
            if newcomers and share < 0:
                break
            newcomers.append(self._waiting.popleft())
            self._give_seat(newcomers[-1])
        if not newcomers:
            return None
        self._seats.join([self._newcomer(inside) for inside in newcomers])
        if not self._rules.settings.is_empty:
            known = [
                (one.seat, Known(one.request.prompt, one.request.subject, one.request.avoided)) for one in newcomers
            ]
            self._rules.join(known)
        return self._prompt_rows(newcomers)

    def _give_seat(self, inside: _Inside) -> None:
        inside.seat, inside.home = len(self._seated), self.model.memory.take_home()
        self._seated.append(inside)
        inside.joined_at = time.monotonic()
        self.metrics.count_joining(wait_seconds=inside.joined_at - inside.submitted_at)

    def _newcomer(self, inside: _Inside) -> Newcomer:
        request = inside.request
        return Newcomer(
            seat=inside.seat,
            home=inside.home,
            prompt=request.prompt,
            adapter_slot=self.model.adapters.slot_of(request.adapter),
            seed=request.seed,
            limit=self._limit_of(request),
        )

    def _prompt_rows(self, newcomers: list[_Inside]) -> PromptRows:
        """Return all but the last token of each prompt: that one is read by the request's own rows."""
        prompts = [inside.request.prompt[:-1] for inside in newcomers]
        return PromptRows(
            tokens=[token for prompt in prompts for token in prompt],
            seats=[inside.seat for inside, prompt in zip(newcomers, prompts, strict=True) for _ in prompt],
            positions=[position for prompt in prompts for position in range(len(prompt))],
        )

    def _is_over(self) -> bool:
        """Say whether every request has had all the steps that it can have."""
        return all(inside.num_steps >= self._limit_of(inside.request) for inside in self._seated)

    def _limit_of(self, request: EngineRequest) -> int:
        return self.search.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens

    # ---- step

    def _queue_step(self, prompts: PromptRows | None) -> None:
        if all(inside.num_steps == 0 for inside in self._seated):
            self._last_step_at = time.monotonic()
        longest = max(len(inside.request.prompt) + inside.num_steps for inside in self._seated)
        for inside in self._seated:
            inside.num_steps += 1
        adapters = self.model.adapters
        is_adapted = any(inside.request.adapter != adapters.merged for inside in self._seated)
        adapter_layout = adapters.layout if is_adapted else 0
        flags, arrived = self._runner.run(
            self.compute_step, len(self._seated), prompts, longest, adapter_layout=adapter_layout
        )
        self._queued.append(_Queued(list(self._seated), flags, arrived))

    def compute_step(
        self, num_seats: int, prompts: tuple[Tensor, Tensor, Tensor] | None, longest: int, *, adapter_layout: int
    ) -> Tensor:
        """Advance the first `num_seats` seats; return flags (2, B) bool: still open, broken. May be captured.

        `prompts` are tokens, seats and positions (R,) of prompts to read; `longest` bounds the texts' lengths;
        `adapter_layout` is 0 where nobody uses an adapter.
        """
        beams = first_seats(self._seats.beams, num_seats)
        rows = self._seats.decoding_rows(num_seats, longest)
        num_rows = len(rows.tokens)
        if prompts is not None:
            rows = rows.followed_by(self._seats.prompt_rows(*prompts, longest))
        if not adapter_layout:
            rows = replace(rows, adapter_slots=None)
        logits = self.model.logits(self.model.hidden(rows)[:num_rows])
        self._seats.go_on(num_seats, *self._shortlist(num_seats, beams, logits))
        is_broken = self._seats.is_broken[:num_seats]
        return torch.stack([beams.is_open.any(1) & ~is_broken, is_broken])

    def _shortlist(self, num_seats: int, beams: Beams, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores, log-probabilities and token ids (B, G, K, M) of each row's best next tokens.

        A request whose logits (R, V) are no numbers is marked as broken.
        """
        shape = (*beams.scores.shape, self._shortlist_size)
        if self._rules.settings.is_empty and not self.search.is_stochastic:
            best = self.model.shortlist(logits, self._shortlist_size)
            self._mark_broken(num_seats, best.is_finite)
            log_probs = best.log_probs.view(shape)
            return log_probs, log_probs, best.token_ids.view(shape)
        log_probs = logits.float().log_softmax(1)
        self._mark_broken(num_seats, log_probs.amax(1) <= 0)  # False for NaN
        log_probs = log_probs.view(*beams.scores.shape, -1)
        scores = self._rules.apply(log_probs, beams, self._seats.prompt_lengths[:num_seats])
        if self.search.is_stochastic:
            log_probs = scores.log_softmax(3)
            scores = perturb(log_probs, beams, self._seats.seeds[:num_seats])
        token_ids = self.model.top_tokens(scores.flatten(0, 2), self._shortlist_size).view(shape)
        return scores.gather(3, token_ids), log_probs.gather(3, token_ids), token_ids

    def _mark_broken(self, num_seats: int, is_sound: Tensor) -> None:
        """Mark the requests of which some row (R,) is not sound."""
        self._seats.is_broken[:num_seats].logical_or_(~is_sound.view(num_seats, -1).all(1))

    # ---- finish

    def _finish(self) -> list[Ended]:
        """Take out who was done at the steps that have surely ended, or at all of them when none will follow."""
        ended: list[Ended] = []
        while len(self._queued) > (0 if self._is_over() else self._runner.num_ahead):
            queued = self._queued.popleft()
            queued.arrived()
            self._count_step()
            is_open, is_broken = queued.flags.tolist()
            done = [
                (inside, is_broken[seat])
                for seat, inside in enumerate(queued.who)
                if not is_open[seat] and inside.seat >= 0
            ]
            ended += self._take_out_done(done)
        return ended

    def _take_out_done(self, done: list[tuple[_Inside, bool]]) -> list[Ended]:
        if not done:
            return []
        seats = self._tensor([inside.seat for inside, _ in done])
        found = hypotheses_by_group(take(self._seats.beams, seats, torch.device("cpu")), self.search)
        self._take_out([inside for inside, _ in done])
        ended = []
        for (inside, is_broken), groups in zip(done, found, strict=True):
            if is_broken:
                error = ModelError("The model's scores are no numbers, so this request has no answer; check its files.")
                ended.append(self._ended(inside, [], Ending.FAILED, error))
            else:
                ended.append(self._ended(inside, groups, Ending.DONE))
        return ended

    def _take_out(self, gone: Sequence[_Inside]) -> None:
        """Empty seats, give their homes back, and let the last ones move into the gaps."""
        if not gone:
            return
        for inside in gone:
            inside.seat = -1
            self.model.memory.give_home_back(inside.home)
        num_left = len(self._seated) - len(gone)
        gaps = [seat for seat in range(num_left) if self._seated[seat].seat < 0]
        movers = [inside for inside in self._seated[num_left:] if inside.seat >= 0]
        if movers:
            sources, targets = self._tensor([inside.seat for inside in movers]), self._tensor(gaps)
            self._seats.move(sources, targets)
            self._rules.move(sources, targets)
        self._seats.leave(self._tensor(range(num_left, len(self._seated))))
        for inside, seat in zip(movers, gaps, strict=True):
            self._seated[seat], inside.seat = inside, seat
        del self._seated[num_left:]

    def _ended(
        self, inside: _Inside, groups: list[list[FinishedBeam]], ending: Ending, error: Exception | None = None
    ) -> Ended:
        now = time.monotonic()
        seconds = now - (now if inside.joined_at is None else inside.joined_at)
        self.metrics.count_ending(ending, seconds=now - inside.submitted_at)
        self.metrics.count_tokens(sum(beam.length for group in groups for beam in group))
        return Ended(id=inside.request.id, groups=groups, error=error, seconds=seconds)

    def _count_step(self) -> None:
        now = time.monotonic()
        self.metrics.count_step(now - self._last_step_at)
        self._last_step_at = now

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return to_device(list(values), self.model.weights.device)
