"""Running out of memory is told apart from a crash, on a CPU too."""

import pytest
import torch

from core.errors import OutOfMemory
from falcon.decoding import TransformersGenerator
from falcon.memory import is_out_of_memory


def test_a_real_allocation_failure_of_the_cpu_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as failure:
        torch.empty(10**15)
    assert is_out_of_memory(failure.value)


def test_other_runtime_errors_are_not() -> None:
    with pytest.raises(RuntimeError) as failure:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not is_out_of_memory(failure.value)


class _Starved(TransformersGenerator):
    """A generator whose search asks for more memory than there is."""

    def __init__(self) -> None:
        pass

    def _by_groups(self, requests: object) -> list[tuple[int, object]]:  # type: ignore[override]
        return [(1, requests)]

    def _search(self, requests: object, groups: int) -> list[list[object]]:  # type: ignore[override]
        torch.empty(10**15)
        return []


def test_decoding_that_does_not_fit_says_so_to_the_worker() -> None:
    with pytest.raises(OutOfMemory, match="does not fit into memory"):
        _Starved().generate([])
