"""What a step can learn from besides plain documents: one that people rated, and two of which they preferred one.

Both are laid into blocks like a document, so plain ones are packed beside them. They know no model: what the base model
makes of them is computed once, before training, and kept here.
"""

from dataclasses import dataclass, replace

from trainer.tokens import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedDocument:
    """A document that people liked or disliked. `reference_nats` are what its answer costs the base model.

    It counts in a step like `usual_tokens` answer tokens, however long it is: each opinion is worth the same. With a
    `weight` of 2 it counts like two of them.
    """

    document: Document
    is_liked: bool
    usual_tokens: float
    weight: float = 1.0
    reference_nats: float = 0.0

    def __len__(self) -> int:
        return len(self.document)

    @property
    def documents(self) -> tuple[Document, ...]:
        """Return the one document."""
        return (self.document,)

    @property
    def num_counted(self) -> float:
        """Return how many answer tokens of a step it stands for."""
        return self.weight * self.usual_tokens

    def with_reference(self, nats: tuple[float, ...]) -> "RatedDocument":
        """Return the example with what its document costs the base model."""
        return replace(self, reference_nats=nats[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredDocument:
    """Two answers to one question, of which people preferred one; they are never parted.

    `reference_margin` is by how many nats the chosen answer is cheaper than the rejected one for the base model. The
    rest is as in `RatedDocument`.
    """

    chosen: Document
    rejected: Document
    usual_tokens: float
    weight: float = 1.0
    reference_margin: float = 0.0

    def __len__(self) -> int:
        return len(self.chosen) + len(self.rejected)

    @property
    def documents(self) -> tuple[Document, ...]:
        """Return the chosen document, then the rejected one."""
        return (self.chosen, self.rejected)

    @property
    def num_counted(self) -> float:
        """Return how many answer tokens of a step it stands for."""
        return self.weight * self.usual_tokens

    def with_reference(self, nats: tuple[float, ...]) -> "PreferredDocument":
        """Return the example with what its documents cost the base model."""
        return replace(self, reference_margin=nats[1] - nats[0])
