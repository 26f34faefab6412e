"""What the base model itself writes for plain ideas: learned again beside people's votes, so that little is forgotten.

It stands in for a data set where none is in reach (Huang et al. 2024, arXiv 2403.01244). The texts are drawn token by
token from the model's own distribution, not by the beam search that serves: only then do they leave the base model
where it is, and their held-out loss measures how far an adapter has moved from it, its entropy plus the divergence
between the two. The best beams would be learned as a new style. A file is made once for a base model and its ideas, and
named by them, so nothing stale is ever read. It knows no votes and no training.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from core.errors import ConfigError, TrainingFailed
from core.logs import get_logger
from core.settings import PROJECT_ROOT
from falcon.base_identity import fingerprint
from falcon.loading import LoadedModel
from falcon.template import render_opening, render_question
from trainer.schedule import derived_seed
from trainer.train_config import SourceConfig

log = get_logger(__name__)
SUBJECTS_FILE = PROJECT_ROOT / "configs" / "subjects.txt"
SUBJECT_COLUMN, PROMPT_COLUMN = "subject", "prompt"
SUBJECTS_AT_ONCE = 32
MAX_NEW_TOKENS = 80  # a text that has not ended by then is left out
FORMAT = "mjprompt replay 1"  # part of the name; a change of what is written changes it

Draw = Callable[[Sequence[str], int], Sequence[str | None]]


def read_subjects(path: Path = SUBJECTS_FILE) -> tuple[str, ...]:
    """Return the ideas of a text file, one a line.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The subjects {path} cannot be read as text: {error}.") from error
    subjects = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not subjects:
        raise ConfigError(f"The subjects {path} are empty; write one idea a line.")
    return subjects


def replay_file(folder: Path, base: Path, subjects: Sequence[str], rounds: int) -> Path:
    """Return where `rounds` texts by the base model in folder `base` for each of `subjects` belong, below `folder`.

    Raises:
        ModelError: the base model cannot be read.
    """
    made_by = json.dumps([FORMAT, fingerprint(base), rounds, list(subjects)])
    return folder / f"replay-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.jsonl"


def replay_source(path: Path, *, weight: float = 1.0) -> SourceConfig:
    """Return the source of a run that reads a replay file; an epoch sees each pair `weight` times."""
    return SourceConfig(
        kind="file", id=str(path), weight=weight, subject_column=SUBJECT_COLUMN, prompt_column=PROMPT_COLUMN
    )


def ensure_replay(
    path: Path,
    subjects: Sequence[str],
    *,
    rounds: int,
    load: Callable[[], Draw],
    is_stop_wanted: Callable[[], bool] = lambda: False,
) -> bool:
    """Write `path`, `rounds` texts for each of `subjects`, unless it is there; return whether it is there now.

    `load` is called only where there is something to write, and returns what draws the texts of some subjects with a
    seed. The file is not there when `is_stop_wanted` said so meanwhile, which is asked between batches. It appears
    whole or not at all.

    Raises:
        TrainingFailed: it cannot be written.
        core.errors.MjpromptError: as `load` says.
    """
    if path.exists():
        return True
    log.info("replay.begins", subjects=len(subjects), rounds=rounds, file=path.name)
    draw = load()
    rows: list[str] = []
    for turn, start in itertools.product(range(rounds), range(0, len(subjects), SUBJECTS_AT_ONCE)):
        if is_stop_wanted():
            return False
        batch = subjects[start : start + SUBJECTS_AT_ONCE]
        rows += _rows(batch, draw(batch, derived_seed(turn, start)))
    _write(path, rows)
    log.info("replay.written", prompts=len(rows), file=path.name)
    return True


def drawing(loaded: LoadedModel) -> Draw:
    """Return what draws texts from a base model: for each subject one that begins with it, None where it did not end.

    The same seed draws the same texts on the same machine. It needs the memory of one batch beside the model.
    """

    @torch.inference_mode()
    def draw(subjects: Sequence[str], seed: int) -> list[str | None]:
        model, tokenizer = loaded.model, loaded.tokenizer
        questions = [f"{render_question(subject)}{render_opening(subject)}" for subject in subjects]
        inputs = tokenizer(
            questions, add_special_tokens=False, padding=True, return_token_type_ids=False, return_tensors="pt"
        ).to(model.device)
        torch.manual_seed(seed)
        written = model.generate(
            **inputs,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_beams=1,
            max_new_tokens=MAX_NEW_TOKENS,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        answers = written[:, inputs["input_ids"].shape[1] :].tolist()
        return [_text(subject, ids, loaded) for subject, ids in zip(subjects, answers, strict=True)]

    return draw


def _text(subject: str, ids: list[int], loaded: LoadedModel) -> str | None:
    end = loaded.tokenizer.eos_token_id
    return f"{subject}{loaded.tokenizer.decode(ids[: ids.index(end)])}" if end in ids else None


def _rows(subjects: Sequence[str], texts: Sequence[str | None]) -> list[str]:
    return [
        json.dumps({SUBJECT_COLUMN: subject, PROMPT_COLUMN: text}, ensure_ascii=False)
        for subject, text in zip(subjects, texts, strict=True)
        if text is not None
    ]


def _write(path: Path, rows: Iterable[str]) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise TrainingFailed(
            f"The base model's own answers could not be written to {path} ({error.strerror}); free some disk space."
        ) from error
