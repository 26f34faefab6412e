"""The only place that renders a subject into model text: serving, training and evaluation share it.

The template is the seed's (`<human>: midjourney prompt for …` / `<assistant>: …`), with the end-of-sequence token that
the seed forgot. It knows no tokenizer.
"""

QUESTION = "<human>: midjourney prompt for {subject}\n<assistant>:"


def render_question(subject: str) -> str:
    """Return the text that the model continues; it ends without a space, since the answer's first token brings one."""
    return QUESTION.format(subject=subject)


def render_answer(prompt: str, eos_token: str) -> str:
    """Return the text that the model should write after a question, its end-of-sequence token included."""
    return f" {prompt}{eos_token}"


def render_opening(subject: str) -> str:
    """Return the beginning of an answer that keeps the subject word for word."""
    return f" {subject}"
