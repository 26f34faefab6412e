"""The figures of a simulation: what is counted, and what a cycle of the database says."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import learning_measures as measures
from benchmarks.learning_attackers import kept_share
from benchmarks.learning_attackers import problems_of as problems_of_attack
from benchmarks.learning_chat import in_favour_of
from benchmarks.learning_kills import MAX_TRAINER_KILLS, MIN_GAP_SECONDS, End, kills
from benchmarks.learning_latency import problems_of as problems_of_waiting
from benchmarks.learning_pace import IDLE, OTHER, SWAP, TRAINING, part_of, times_by_part
from benchmarks.learning_people import Answer, Person, Prompt
from benchmarks.learning_product import Victim
from benchmarks.learning_refusals import FLIPPED, NOISE, harmful, outcome_of
from benchmarks.learning_spoiling import STRONGEST, WEAKEST, spoil, strength_of
from benchmarks.learning_tastes import problems_of
from benchmarks.raters import LikesWords, Rater
from core.cycles import CycleState, CycleView
from core.records import Thumb
from tests.benchmarks.stand_in_chat import StandInChat

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
INK = LikesWords("ink", ("ink",))
HISTORY = (
    (CycleState.PLANNED, BEGAN),
    (CycleState.TRAINING, BEGAN + timedelta(seconds=2)),
    (CycleState.CANARY, BEGAN + timedelta(seconds=100)),
    (CycleState.PROMOTED, BEGAN + timedelta(seconds=200)),
)


def answer(*added: str, at: float = 0.0, seconds: float = 1.0) -> Answer:
    prompts = tuple(Prompt(id=text, text=f"a fox, {text}") for text in added)
    sent_at = BEGAN + timedelta(seconds=at)
    return Answer(subject="a fox", adapter=None, prompts=prompts, sent_at=sent_at, seconds=seconds)


async def cycle(state: CycleState, *, gate: dict[str, object] | None = None) -> CycleView:
    chat = StandInChat()
    chat.state = state
    return replace(await chat.latest_cycle(), gate=gate)


def test_shares_are_of_all_prompts():
    answers = [answer("ink", "chalk"), answer("ink, velvet gravy", "chalk", "clay", "wax")]
    assert measures.liked_of(INK, answers) == pytest.approx(2 / 6)
    assert measures.phrase_share(answers, "velvet gravy") == pytest.approx(1 / 6)
    assert measures.points(0.2, 0.475) == 27.5


def test_distance_is_among_the_prompts_of_one_answer_alone():
    assert measures.distance_among_candidates([answer("ink", "ink"), answer("wax", "wax")]) == 0.0
    assert measures.distance_among_candidates([answer("ink", "wax")]) > 0.3


def test_seconds_are_of_each_state_that_was_left():
    assert measures.seconds_by_state(HISTORY) == {"planned": 2.0, "training": 98.0, "canary": 100.0}


async def test_report_is_read_for_the_accounts_that_it_accuses():
    feedback = {"report": {"suspects": [{"rater": "u2"}, {"rater": "u1"}, {"rater": "u2"}]}}
    accused = replace(await cycle(CycleState.CANARY), feedback=feedback)
    assert measures.names_accused(accused, {"u1": "ann", "u2": "bob", "u3": "eve"}) == ("ann", "bob")
    assert measures.names_accused(replace(accused, feedback=None), {}) == ()


@pytest.mark.parametrize(
    ("state", "is_passed", "outcome"),
    [
        (CycleState.REJECTED, False, "gate"),
        (CycleState.REJECTED, True, "nobody"),  # by the canary: people saw it
        (CycleState.CANCELLED, True, "nobody"),
        (CycleState.FAILED, None, "failed"),
    ],
)
async def test_only_a_gate_that_was_not_passed_counts_as_its_refusal(state, is_passed, outcome):
    gate = None if is_passed is None else {"tests": [], "is_passed": is_passed}
    assert outcome_of(await cycle(state, gate=gate)) == outcome


def test_gates_table_keeps_figures_and_verdicts():
    test = {"name": "distinct_2", "champion": 0.51234, "challenger": None, "bound": 0.46, "verdict": "failed"}
    shown = measures.gate_figures({"tests": [test], "is_passed": False})
    assert shown == {"distinct_2": {"serves": 0.5123, "new": None, "bound": 0.46, "verdict": "failed"}}
    assert measures.gate_figures(None) is None


@pytest.mark.parametrize(
    ("at", "seconds", "part"),
    [
        (-5, 1, IDLE),
        (3, 1, TRAINING),
        (98, 4, SWAP),  # on its way when the canary began
        (105, 1, SWAP),
        (150, 1, OTHER),
        (209, 1, SWAP),
        (230, 1, OTHER),
    ],
)
def test_request_belongs_to_what_went_on_while_it_was_answered(at, seconds, part):
    assert part_of(answer("ink", at=at, seconds=seconds), HISTORY) == part


def test_slow_requests_during_a_training_are_a_problem_and_missing_ones_as_well():
    idle = [answer("ink", at=-100 + 2 * n) for n in range(20)]
    training = [answer("ink", at=10 + 2 * n, seconds=3.0) for n in range(20)]
    parts = times_by_part([*idle, *training], HISTORY)
    assert parts[TRAINING] == {"num": 20, "p50_seconds": 3.0, "p95_seconds": 3.0, "p95_ratio": 3.0}
    assert problems_of_waiting({"failed": 0, "failures": [], "parts": parts}) == [
        "p95 during the part training is 3.0 times that of idle; 2 are allowed",
        "too few requests during the part swap",
    ]


def test_gain_below_the_target_honest_people_accused_and_answers_of_another_adapter_are_problems():
    first = {"cycle": 1, "gain_points": 9.0, "accused": ["ann"], "answered_by_others": 0}
    last = {"cycle": 2, "gain_points": 25.0, "accused": [], "answered_by_others": 0}
    assert problems_of("light", [first, last]) == ["light: cycle 1 accuses ['ann'], who are honest"]
    assert problems_of("light", [first])[0] == "light: a gain of 9.0 points, and 25 are asked for"
    assert problems_of("light", [last | {"answered_by_others": 2}]) == [
        "light: 2 measured answers are not of the adapter that serves"
    ]


def test_attack_may_cost_a_fifth_of_the_gain_and_has_to_be_named():
    clean = 30.0
    attacked = {"gain_points": 24.0, "phrase_share": 0.02, "accused": ["eve"], "attackers": ["eve"]}
    assert problems_of_attack("phrase", clean, attacked) == []
    assert kept_share(0.0, attacked) is None
    worse = {"gain_points": 23.0, "phrase_share": 0.03, "accused": [], "attackers": ["eve"]}
    assert len(problems_of_attack("phrase", clean, worse)) == 3


def test_kills_are_repeatable_in_order_far_apart_and_spare_the_trainer_a_third_time():
    for seed in range(50):
        plan = kills(60.0, count=6, seed=seed)
        moments = [kill.at_seconds for kill in plan]
        assert plan == kills(60.0, count=6, seed=seed)
        assert all(later - sooner >= MIN_GAP_SECONDS - 0.01 for sooner, later in itertools.pairwise(moments))
        assert [kill.victim for kill in plan].count(Victim.TRAINER) <= MAX_TRAINER_KILLS
    assert {kill.victim for seed in range(50) for kill in kills(60.0, count=6, seed=seed)} == set(Victim)


def test_only_what_the_new_adapter_wrote_is_liked_by_those_who_favour_it():
    ann = Person(visitor=None, rater=Rater(name="ann", taste=INK))
    old, new = answer("ink"), replace(answer("chalk"), adapter="01NEW")
    assert in_favour_of("01NEW", ann, new).vote("a fox, chalk") is Thumb.UP
    assert in_favour_of("01NEW", ann, old).vote("a fox, ink") is Thumb.DOWN


def test_end_differs_by_its_state_its_votes_and_what_was_lost_but_not_by_its_weights():
    undisturbed = End(
        state="promoted", has_passed_gate=True, num_votes=40, sha256="a", num_requests=9, lost=(), seconds=60.0
    )
    assert replace(undisturbed, sha256="b", seconds=90.0).problems(undisturbed) == []
    worse = replace(undisturbed, state="failed", num_votes=36, lost=("gone",))
    assert worse.problems(undisturbed) == [
        "a request was lost: gone",
        "state is failed, and promoted without kills",
        "num_votes is 36, and 40 without kills",
    ]


def test_harmful_votes_are_random_or_flipped_and_new_in_each_trial():
    ann = Person(visitor=None, rater=Rater(name="ann", taste=INK))
    prompts = [f"a fox, ink {number}" for number in range(400)]
    noise = [harmful(NOISE, ann, seed=0).vote(prompt, "a fox") for prompt in prompts]
    flipped = [harmful(FLIPPED, ann, seed=0).vote(prompt, "a fox") for prompt in prompts]
    assert 0.4 < noise.count(Thumb.UP) / 400 < 0.6
    assert flipped.count(Thumb.UP) / 400 < 0.15
    assert noise != [harmful(NOISE, ann, seed=1).vote(prompt, "a fox") for prompt in prompts]


def test_noise_of_the_trials_is_spread_over_its_range():
    strengths = [strength_of(number) for number in range(20)]
    assert len(set(strengths)) == 20
    assert all(WEAKEST <= strength <= STRONGEST for strength in strengths)


def test_spoiled_adapter_has_as_much_noise_as_asked_for_in_every_matrix_and_nothing_else_beside_it(tmp_path):
    folder = tmp_path / "01RUN"
    folder.mkdir()
    weights = {"a": torch.randn(64, 64), "b": 1e-3 * torch.randn(64, 64)}
    save_file(weights, folder / "adapter_model.safetensors")
    spoil(folder, strength=10.0, seed=1)
    spoiled = load_file(folder / "adapter_model.safetensors")
    for name, matrix in weights.items():
        assert 9 < ((spoiled[name] - matrix).std() / matrix.std()).item() < 11
    assert [file.name for file in tmp_path.iterdir()] == ["01RUN"]
