"""Whole searches over `falcon.beam_search`: a full forward pass for each step, no cache, nothing clever."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import FalconForCausalLM

from falcon.beam_search import Beams, SearchSettings, advance, open_beams
from falcon.stochastic_beams import perturb
from tests.falcon.tiny_falcon import CPU, WORDS, tiny_falcon

EOS = 0
Model = Callable[[Tensor], Tensor]  # (R, T) tokens -> (R, V) float32 log-probabilities of the next one


def falcon_with_eos(bias: float) -> FalconForCausalLM:
    """Return the tiny Falcon, whose logit of EOS is `bias` higher: it ends early, late or never."""
    model = tiny_falcon()
    head = torch.nn.Linear(model.config.hidden_size, len(WORDS))
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.bias.zero_()
        head.bias[EOS] = bias
    model.lm_head = head
    return model.eval()


def falcon_model(model: FalconForCausalLM) -> Model:
    """Return the log-probabilities of `model`."""

    def next_log_probs(tokens: Tensor) -> Tensor:
        with torch.inference_mode():
            logits = model(input_ids=tokens, use_cache=False).logits
        return logits[:, -1].float().log_softmax(-1)

    return next_log_probs


class TableModel:
    """Random log-probabilities for each text, always the same ones; a higher `sharpness` makes them less alike."""

    def __init__(self, vocabulary: int, *, seed: int = 0, sharpness: float = 1.0) -> None:
        self._vocabulary, self._seed, self._sharpness = vocabulary, seed, sharpness
        self._rows: dict[tuple[int, ...], Tensor] = {}

    def row(self, text: Sequence[int]) -> Tensor:
        """Return (V,) the log-probabilities after `text`."""
        key = tuple(text)
        if key not in self._rows:
            number = self._seed
            for token in key:
                number = (number * 1_000_003 + token + 1) % 2**31
            logits = torch.randn(self._vocabulary, generator=torch.Generator().manual_seed(number))
            self._rows[key] = (self._sharpness * logits).log_softmax(-1)
        return self._rows[key]

    def __call__(self, tokens: Tensor) -> Tensor:
        return torch.stack([self.row(text) for text in tokens.tolist()])


def search(
    model: Model,
    prompts: Sequence[Sequence[int]],
    settings: SearchSettings,
    *,
    shortlist: int | None = None,
    seeds: Sequence[int] = (),
) -> Beams:
    """Search all `prompts` as one batch until all are over; `shortlist` offers only that many tokens of each row.

    The rows are carried along by what `advance` returns, so that its parents and tokens are part of every result.
    """
    groups, num_beams = settings.num_beam_groups, settings.beams_per_group
    beams = open_beams(len(prompts), settings, CPU)
    rows = [torch.tensor([prompt] * (groups * num_beams)) for prompt in prompts]
    first = torch.arange(groups)[:, None] * num_beams
    while beams.is_open.any():
        log_probs = torch.stack([model(texts).view(groups, num_beams, -1) for texts in rows])
        scores = perturb(log_probs, beams, torch.tensor(seeds)) if settings.is_stochastic else log_probs
        token_ids = None
        if shortlist is not None:
            scores, token_ids = scores.topk(shortlist)
            log_probs = log_probs.gather(3, token_ids)
        parents, tokens = advance(beams, scores, settings, token_ids=token_ids, log_probs=log_probs)
        rows = [
            torch.cat([texts[(first + parents[seat]).flatten()], tokens[seat].view(-1, 1)], 1)
            for seat, texts in enumerate(rows)
        ]
    return beams
