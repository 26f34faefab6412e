"""No code of a model's author is ever run, and no pickle is ever read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ModelError
from core.settings import PROJECT_ROOT
from falcon.loading import load_tokenizer, measure

PACKAGES = ("alembic", "app", "benchmarks", "bot", "core", "falcon", "storage", "trainer", "worker")
AUTO_CLASSES = {"AutoConfig", "AutoModelForCausalLM", "AutoTokenizer"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for package in PACKAGES:
        for file in (PROJECT_ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{file.relative_to(PROJECT_ROOT)}:{node.lineno}", node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def is_false(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def test_trust_remote_code_is_never_anything_but_false() -> None:
    trusting = [(place, value) for place, call in calls() if (value := keyword(call, "trust_remote_code")) is not None]
    assert [place for place, value in trusting if not is_false(value)] == []
    assert len(trusting) >= 4


def test_every_automatic_class_is_told_not_to_trust_remote_code() -> None:
    automatic = [
        (place, call)
        for place, call in calls()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("from_pretrained", "from_config")
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in AUTO_CLASSES
    ]
    assert [place for place, call in automatic if not is_false(keyword(call, "trust_remote_code"))] == []
    assert len(automatic) >= 4


def test_nothing_unpickles() -> None:
    unpickling = {"torch.load", "pickle.load", "pickle.loads", "joblib.load"}
    found = [place for place, call in calls() if ast.unparse(call.func) in unpickling]
    assert found == []


@pytest.mark.parametrize("read", [measure, load_tokenizer])
def test_folder_that_brings_its_own_code_is_refused_and_the_code_does_not_run(read: object, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    (tmp_path / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Evil: ...\n", encoding="utf-8")
    automatic = '"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil", "AutoTokenizer": ["evil.Evil", null]'
    text = f'{{"model_type": "evil", "tokenizer_class": "Evil", "auto_map": {{{automatic}}}}}'
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert callable(read)
    with pytest.raises(ModelError, match="custom code"):
        read(tmp_path)
    assert not mark.exists()
