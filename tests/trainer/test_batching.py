"""Documents in padded batches: each once an epoch, and none aware of another or of its padding."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from trainer.pretraining.batching import BUCKET_WIDTHS, IGNORED_LABEL, Bucket, epoch, make_buckets
from trainer.pretraining.config import PretrainConfig
from trainer.pretraining.corpus import EOS_ID, PAD_ID, EncodedPairs
from trainer.pretraining.pretrain import build_model

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, BUCKET_WIDTHS[-1]), min_size=1, max_size=40)


def documents(lengths: list[int], vocab_size: int = 400) -> EncodedPairs:
    """Return random documents of these lengths, each ended by end-of-sequence; every one is unlike the others."""
    random = np.random.default_rng(0)
    texts = [[*random.integers(2, vocab_size, length - 1), EOS_ID] for length in lengths]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EncodedPairs(
        np.concatenate([np.asarray(text, dtype=np.uint16) for text in texts]),
        offsets,
        np.asarray(lengths, dtype=np.int64),
    )


def document(pairs: EncodedPairs, number: int) -> tuple[int, ...]:
    return tuple(pairs.tokens[pairs.offsets[number] : pairs.offsets[number + 1]].tolist())


def seen_in_one_epoch(buckets: list[Bucket], tokens_per_step: int) -> Counter[tuple[int, ...]]:
    seen: Counter[tuple[int, ...]] = Counter()
    for number, rows in epoch(buckets, tokens_per_step=tokens_per_step, generator=torch.Generator().manual_seed(3)):
        input_ids, _ = buckets[number].batch(rows)
        assert input_ids.numel() <= max(tokens_per_step, buckets[number].width)
        seen.update(tuple(row[row != PAD_ID].tolist()) for row in input_ids)
    return seen


@settings(deadline=None)
@given(LENGTHS, st.sampled_from([1, 200, 5000]))
def test_every_document_occurs_exactly_once_in_an_epoch(lengths: list[int], tokens_per_step: int) -> None:
    pairs = documents(lengths)
    expected = Counter(document(pairs, number) for number in range(len(pairs)))
    assert seen_in_one_epoch(make_buckets(pairs, CPU), tokens_per_step) == expected


@settings(deadline=None)
@given(LENGTHS)
def test_documents_lie_in_the_narrowest_bucket_that_holds_them(lengths: list[int]) -> None:
    buckets = make_buckets(documents(lengths), CPU)
    assert all(len(bucket.input_ids) for bucket in buckets)
    for bucket in buckets:
        narrower = max((width for width in BUCKET_WIDTHS if width < bucket.width), default=0)
        for row in bucket.input_ids:
            assert narrower < int((row != PAD_ID).sum()) <= bucket.width


def test_labels_hide_the_padding_and_nothing_else() -> None:
    bucket = make_buckets(documents([5, 30]), CPU)[0]
    input_ids, labels = bucket.batch(torch.tensor([0, 1]))
    assert torch.equal(labels == IGNORED_LABEL, input_ids == PAD_ID)
    assert torch.equal(labels[labels != IGNORED_LABEL], input_ids[input_ids != PAD_ID])
    assert (labels == EOS_ID).sum(1).tolist() == [1, 1], "the end of sequence must be learned"


def test_order_comes_from_the_generator_alone() -> None:
    buckets = make_buckets(documents(list(range(5, 90))), CPU)

    def order(seed: int) -> list[tuple[int, list[int]]]:
        steps = epoch(buckets, tokens_per_step=200, generator=torch.Generator().manual_seed(seed))
        return [(number, rows.tolist()) for number, rows in steps]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_document_longer_than_the_widest_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="161 tokens exceeds the widest bucket of 160"):
        make_buckets(documents([10, 161]), CPU)


def test_no_documents_make_no_buckets() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert make_buckets(EncodedPairs(empty.astype(np.uint16), np.zeros(1, dtype=np.int64), empty), CPU) == []


def test_loss_of_a_document_alone_equals_its_loss_in_a_padded_batch(tiny_config: PretrainConfig) -> None:
    """Padding stands on the right, so without any mask no real token can attend to it."""
    torch.manual_seed(0)
    model = build_model(tiny_config.model).eval()
    pairs = documents([20, 33, 39, 40])
    buckets = make_buckets(pairs, CPU)
    compared = 0
    for bucket in buckets:
        input_ids, labels = bucket.batch(torch.arange(len(bucket.input_ids)))
        with torch.no_grad():
            logits = model(input_ids=input_ids, use_cache=False).logits
            losses = cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none").sum(1)
            for row, loss in zip(input_ids, losses, strict=True):
                alone = row[row != PAD_ID][None]
                expected = cross_entropy(model(input_ids=alone).logits[0, :-1], alone[0, 1:], reduction="sum")
                assert float(loss) == pytest.approx(float(expected), rel=1e-5)
                compared += 1
    assert compared == 4


def test_padding_gives_no_gradient(tiny_config: PretrainConfig) -> None:
    torch.manual_seed(0)
    model = build_model(tiny_config.model).eval()
    input_ids, labels = make_buckets(documents([20]), CPU)[0].batch(torch.tensor([0]))
    embedded = model.get_input_embeddings()(input_ids).detach().requires_grad_()
    logits = model(inputs_embeds=embedded, use_cache=False).logits
    cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()).backward()
    assert embedded.grad is not None
    assert float(embedded.grad[:, 20:].abs().max()) == 0
    assert float(embedded.grad[:, :19].abs().min(2).values.max()) > 0
