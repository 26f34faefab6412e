"""The trainable model: really 4-bit, adapted everywhere, right in loss and gradient, and it learns to stop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch.nn import functional as F
from transformers import AutoTokenizer

from core.errors import ModelError, NotEnoughMemory
from core.records import ModelInfo
from core.settings import POCKET_FOLDER
from falcon.decode_config import BeamSearch, DecodeConfig, Selection
from falcon.decoding import TransformersGenerator
from falcon.generator import GenerationRequest
from falcon.loading import LoadedModel, attach_adapter, count_four_bit, load_base
from falcon.packed_forward import packed_hidden_states
from tests.falcon.tiny_falcon import CPU, change_json, tiny_falcon, write_tiny_falcon
from trainer.loss import answer_loss
from trainer.packing import collate
from trainer.pairs import Pair
from trainer.qlora import Trainable, prepare_model
from trainer.tokens import Document, encode
from trainer.train_config import LoraSettings, MemoryConfig

LORA = LoraSettings(r=8, lora_alpha=16)
PROJECTIONS = 8  # of two layers
EXAMPLES = tuple(
    Pair(f"{one} {two}", f"{one} {two} {rest}")
    for one, two, rest in (
        ("a", "boy", "running in the snow"),
        ("a", "fox", "in its shadow"),
        ("red", "fox", "with the boy"),
        ("the", "boy", "and a red shadow running"),
        ("the", "fox", "and the snow"),
        ("red", "snow", "in the fox"),
        ("a", "shadow", "running"),
        ("its", "shadow", "with red snow in the boy"),
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def speaking_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random 2-layer Falcon with the shipped tokenizer, whose words serving can tell apart."""
    folder = tmp_path_factory.mktemp("models") / "speaking"
    tokenizer = AutoTokenizer.from_pretrained(POCKET_FOLDER)
    model = tiny_falcon(vocab_size=len(tokenizer))
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(4)  # so that 64 numbers can be sure of one word in 8,192
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trainable(folder: Path, *, lora: LoraSettings = LORA, is_random: bool = True, **memory: Any) -> Trainable:
    """Return the tiny Falcon with a fresh adapter, its B random as well unless it shall start at the base."""
    torch.manual_seed(5)
    found = prepare_model(folder, lora=lora, memory=MemoryConfig(**memory), block_tokens=256, device=CPU)
    found.model.train()
    if is_random:
        with torch.no_grad():
            for parameter in found.parameters():
                parameter.normal_(std=0.1)
    return found


def documents(model: Trainable, pairs: Sequence[Pair] = EXAMPLES) -> list[Document]:
    return encode(pairs, model.tokenizer, max_document_tokens=64).documents


def gradients(model: Trainable, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, model.parameters()))


def peft_nats(model: Trainable, pairs: Sequence[Document]) -> torch.Tensor:
    """Return what transformers and peft make of the documents, one by one, with the question masked."""
    total = torch.zeros(())
    for document in pairs:
        input_ids = torch.tensor([document.input_ids])
        labels = input_ids.clone()
        labels[:, : document.num_question_tokens] = -100
        logits = model.model(input_ids=input_ids, use_cache=False).logits
        total = total + F.cross_entropy(logits[0, :-1].float(), labels[0, 1:], reduction="sum")
    return total


@pytest.mark.parametrize("precision", ["fp32", "bf16", "nf4"])
def test_every_projection_is_adapted_in_float32_and_nothing_else_learns(folder: Path, precision: str) -> None:
    found = trainable(folder, precision=precision)
    adapted = [name for name, module in found.model.named_modules() if isinstance(module, LoraLayer)]
    assert len(adapted) == PROJECTIONS
    assert len(found.parameters()) == 2 * PROJECTIONS
    assert {parameter.dtype for parameter in found.parameters()} == {torch.float32}
    assert all("lora_" in name for name, p in found.model.named_parameters() if p.requires_grad)


def test_only_the_named_projections_are_adapted(folder: Path) -> None:
    found = trainable(folder, lora=LoraSettings(r=2, lora_alpha=4, target_modules=("query_key_value",)))
    assert len(found.parameters()) == 2 * 2
    assert all("query_key_value" in name for name, p in found.model.named_parameters() if p.requires_grad)


def test_nf4_base_stays_four_bit_under_the_adapter(folder: Path) -> None:
    assert count_four_bit(trainable(folder, precision="nf4").model) == PROJECTIONS


@pytest.mark.parametrize("precision", ["fp32", "nf4"])
def test_fresh_adapter_starts_at_the_base_model(folder: Path, precision: str) -> None:
    found = trainable(folder, precision=precision, is_random=False)
    batch = collate(documents(found))
    with torch.no_grad():
        fresh = packed_hidden_states(found.model, batch)
        base = packed_hidden_states(load_base(folder, precision, CPU), batch)
    assert torch.equal(fresh, base)


def test_nf4_means_the_same_after_generating_with_it(folder: Path) -> None:
    """bitsandbytes relays 4-bit weights on some processors when a model in evaluation mode runs there."""
    found = trainable(folder, precision="nf4")
    batch = collate(documents(found))
    with torch.no_grad():
        before = found.loss(batch)
        found.model.eval()(input_ids=batch.input_ids[None])
        after = found.loss(batch)
    assert after.item() == pytest.approx(before.item(), rel=0.01)


def test_fresh_adapter_follows_torchs_seed(folder: Path) -> None:
    one, same = (trainable(folder, is_random=False) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))


def test_packed_loss_and_gradients_equal_pefts_on_single_documents(folder: Path) -> None:
    found = trainable(folder)
    pairs = documents(found)
    theirs, ours = peft_nats(found, pairs), found.loss(collate(pairs, pad_to=200))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-5)
    for a, b in zip(gradients(found, ours), gradients(found, theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


def test_nf4_gradients_are_those_of_the_unpacked_weights(folder: Path) -> None:
    """bfloat16 rounds at other places on the two ways, so directions are compared."""
    found = trainable(folder, precision="nf4")
    pairs = documents(found)
    theirs, ours = peft_nats(found, pairs), found.loss(collate(pairs))
    assert ours.item() == pytest.approx(theirs.item(), rel=0.01)
    for a, b in zip(gradients(found, ours), gradients(found, theirs), strict=True):
        assert float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0)) > 0.99


@pytest.mark.parametrize("num_parts", [2, 4, 8])
def test_accumulating_parts_equals_the_whole_batch(folder: Path, num_parts: int) -> None:
    """Each part is divided by the answer tokens of the step, so parts of different length count by their tokens."""
    found = trainable(folder)
    pairs = documents(found)
    batch = collate(pairs)
    whole = gradients(found, found.loss(batch) / batch.num_answer_tokens)
    for start in range(num_parts):
        (found.loss(collate(pairs[start::num_parts])) / batch.num_answer_tokens).backward()
    for parameter, gradient in zip(found.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max()))


def test_masked_positions_give_no_gradient(folder: Path) -> None:
    """A question is read, so it moves the loss, but no hidden state before its end has to predict anything."""
    found = trainable(folder)
    batch = collate(documents(found)[:2], pad_to=60)
    hidden = packed_hidden_states(found.model, batch).detach().requires_grad_()
    head = found.model.get_output_embeddings().weight
    answer_loss(hidden.index_select(0, batch.answer_positions), head, batch.answer_ids).backward()
    learned = (hidden.grad.abs().sum(1) > 0).nonzero().flatten()
    assert torch.equal(learned, batch.answer_positions)
    assert 0 < len(learned) < batch.num_tokens < 60


def test_checkpointing_changes_no_number(folder: Path) -> None:
    kept, anew = (trainable(folder, checkpointing=switch) for switch in ("off", "on"))
    assert anew.plan.is_checkpointed
    batch = collate(documents(kept))
    losses = kept.loss(batch), anew.loss(batch)
    assert torch.equal(*losses)
    for a, b in zip(gradients(kept, losses[0]), gradients(anew, losses[1]), strict=True):
        assert torch.equal(a, b)


def test_saved_adapter_is_loaded_by_what_serves_merged_or_not(folder: Path, tmp_path: Path) -> None:
    found = trainable(folder)
    batch = collate(documents(found))
    found.model.eval().save_pretrained(tmp_path)
    with torch.no_grad():
        trained = packed_hidden_states(found.model, batch)
        for is_merged in (True, False):
            served = attach_adapter(load_base(folder, "fp32", CPU), tmp_path, is_merged=is_merged)
            torch.testing.assert_close(packed_hidden_states(served, batch), trained, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "nf4"])
def test_overfitted_model_answers_by_the_serving_template_and_stops(speaking_folder: Path, precision: str) -> None:
    """The seed's recipe hid end-of-sequence from the loss, so its model wrote on until it was cut off."""
    found = trainable(speaking_folder, precision=precision, is_random=False)
    batch = collate(documents(found))
    optimizer, steps, loss = torch.optim.AdamW(found.parameters(), lr=5e-3), 0, torch.ones(())
    while loss.item() > 0.02 and steps < 400:
        loss = found.loss(batch) / batch.num_answer_tokens
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    assert loss.item() <= 0.02
    texts = answers(found, [pair.subject for pair in EXAMPLES])
    assert texts == {pair.subject: (pair.prompt, True) for pair in EXAMPLES}


def answers(found: Trainable, subjects: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """Return the best candidate for each subject and whether it ended by itself, decoded by the code that serves."""
    search = BeamSearch(
        num_beams=2,
        num_beam_groups=1,
        diversity_penalty=0.0,
        word_repetition_penalty=0.0,
        length_penalty=1.0,
        no_repeat_ngram_size=0,
        min_new_tokens=0,
        max_new_tokens=16,
        early_stopping=False,
        bad_words=[],
    )
    config = DecodeConfig(beam_search=search, selection=Selection(min_distance=0.0, distance_weight=0.0))
    info = ModelInfo(base="tiny", adapter=None, precision=found.plan.precision, device="cpu")
    generator = TransformersGenerator(LoadedModel(found.model.eval(), found.tokenizer, info), config)
    requests = [
        GenerationRequest(
            id=subject,
            subject=subject,
            parameters="",
            images=(),
            midjourney_version="8.2",
            num_candidates=1,
            is_cancelled=lambda: False,
        )
        for subject in subjects
    ]
    candidates = {each.request_id: each.candidates[0] for each in generator.generate(requests)}
    return {subject: (found.text, found.is_ended) for subject, found in candidates.items()}


def test_model_that_cannot_be_trained_is_refused_before_its_weights_are_read(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    change_json(tmp_path / "config.json", alibi=True)
    with pytest.raises(ModelError, match="alibi = True"):
        trainable(tmp_path)


def test_too_small_a_machine_is_told_before_the_weights_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.memory_plan.free_bytes", lambda device: 1000)
    monkeypatch.setattr("trainer.qlora.stream_falcon", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(NotEnoughMemory, match="Training needs"):
        trainable(folder)
