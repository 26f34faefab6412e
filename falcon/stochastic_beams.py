"""Stochastic beam search: K texts drawn without replacement, by the Gumbel-top-k trick over a tree.

Kool, van Hoof & Welling 2019 (arXiv 1903.06059): every text gets its log-probability plus Gumbel noise, and the K
highest are a sample without replacement. Each inner node holds the highest value below it, so the values of children
are drawn under the condition that the highest equals their parent's (in the stable form of the paper's appendix), and a
beam search over these values finds the K highest. `falcon.beam_search.advance` does that search; here is only the
noise. It does not know which tokens a constraint forbids: it is told by log-probabilities of minus infinity.

The noise is a function of a request's seed and of the place in its search alone, so a request gets the same texts in
every batch and on every device, up to rounding.

Shapes: B requests, G groups, K beams of one group, V vocabulary.
"""

import torch
from torch import Tensor

from falcon.beam_search import Beams

_MASK = 0xFFFFFFFF  # numbers are 32 bits wide in an int64, so that nothing is lost to the sign
_BELOW_ONE = 1 - 2.0**-24  # the largest float32 under 1


def perturb(log_probs: Tensor, beams: Beams, seeds: Tensor) -> Tensor:
    """Return (B, G, K, V) the perturbed log-probabilities of all continuations, to be the `scores` of `advance`.

    `log_probs` (B, G, K, V) float32 are those of the next token; each row has to sum to 1 in probability, also when
    tokens are forbidden, and the same ones belong into `advance`. `seeds` (B,) int64 is one number for each request.
    All of the vocabulary is needed here; a shortlist may be taken of what is returned.
    """
    totals = beams.log_probs.unsqueeze(3) + log_probs
    gumbels = totals + _gumbel_noise(beams, seeds, log_probs.shape[3])
    return _below(beams.scores.unsqueeze(3), gumbels)


def _below(parents: Tensor, gumbels: Tensor) -> Tensor:
    """Return `gumbels` (B, G, K, V) moved so that the highest of each row equals its parent (B, G, K, 1)."""
    highest = gumbels.amax(3, keepdim=True)
    # log1mexp without loss on either side of ln 2; at the highest itself v is minus infinity, and the value its parent.
    distance = gumbels - highest
    v = parents - gumbels + _log_one_minus_exp(distance)
    moved = parents - v.clamp(min=0) - torch.log1p(torch.exp(-v.abs()))
    return torch.where(gumbels == -torch.inf, -torch.inf, moved)


def _log_one_minus_exp(value: Tensor) -> Tensor:
    """Return log(1 - exp(value)) for `value` <= 0."""
    near = torch.log(-torch.expm1(value))
    return torch.where(value > -0.6931472, near, torch.log1p(-torch.exp(value)))


def _gumbel_noise(beams: Beams, seeds: Tensor, vocabulary: int) -> Tensor:
    """Return (B, G, K, V) float32 of standard Gumbel noise for this step."""
    _, groups, num_beams = beams.scores.shape
    rows = torch.arange(groups * num_beams, device=seeds.device).view(groups, num_beams, 1)
    tokens = torch.arange(vocabulary, device=seeds.device)
    number = _mixed((seeds & _MASK) ^ _mixed((seeds >> 32) & _MASK))
    number = _mixed(number ^ _mixed(beams.num_steps)).view(-1, 1, 1, 1)
    number = _mixed(_mixed(number ^ _mixed(rows)) ^ _mixed(tokens))
    # High noise comes from numbers near 0, where a float32 is finest; neither end is reached.
    uniform = ((number.float() + 0.5) * 2.0**-32).clamp(max=_BELOW_ONE)
    return -torch.log(-torch.log1p(-uniform))


def _mixed(number: Tensor) -> Tensor:
    """Return a 32-bit number that looks unrelated to the 32-bit `number`."""
    number = (number + 0x9E3779B9) & _MASK
    for factor in (0x7FEB352D, 0x46D3A7B5):
        # Below 2^31, a factor's product with 32 bits stays within an int64.
        number = ((number ^ (number >> 16)) * factor) & _MASK
    return number ^ (number >> 15)
