"""A message of the fake Discord as HTML: its component tree, who may see it, and what it answers.

It draws what the bot sent and nothing else; looks are in styles/discord.css.
"""

import re
from collections.abc import Mapping

from tests.demo.page import EYE, clock_text, escaped, picture_html
from tests.fakes.discord.components import Button, ButtonStyle, Kind, Node
from tests.fakes.discord.interactions import InteractionKind
from tests.fakes.discord.messages import Message
from tests.fakes.discord.modal_limits import Field, Modal

FENCE = "```"
ESCAPED_MARK = re.compile(r"\\([^\w\s])")
ONLY_YOU = f'<p class="only-you">{EYE} Only you can see this · <a>Dismiss message</a></p>'


def message_html(message: Message) -> str:
    """Draw a message as it is now."""
    name, classes = escaped(message.author.name), "message"
    tag = '<em class="tag">APP</em>' if message.author.is_bot else ""
    if message.is_ephemeral:
        classes += " private"
    body = "".join(map(_node, message.tree)) or f"<p>{_inline(message.content)}</p>"
    return (
        f'<article class="{classes}">{_above(message)}{picture_html(message.author.name, is_bot=message.author.is_bot)}'
        f'<div class="body"><h4>{name} {tag}<time>{clock_text(message.created_at)}</time></h4>{body}'
        f"{ONLY_YOU if message.is_ephemeral else ''}</div></article>"
    )


def form_html(form: Modal, answers: Mapping[str, str]) -> str:
    """Draw a form with what a person filled in; the keys of `answers` are the fields' custom_ids."""
    fields = "".join(_field(field, _label_of(form, field), answers.get(field.custom_id)) for field in form.fields)
    return (
        f'<article class="form"><h3>{escaped(form.title)}</h3>{fields}'
        '<div class="row end"><b class="button plain">Cancel</b><b class="button primary">Submit</b></div></article>'
    )


def _above(message: Message) -> str:
    """Return the line above a message about the command or the button that it answers."""
    made_by = message.interaction
    if made_by is None:
        return ""
    who = f"{picture_html(made_by.user.name, is_bot=False)}<b>{escaped(made_by.user.name)}</b>"
    if made_by.kind == InteractionKind.COMMAND:
        return f'<p class="above">{who} used <a>/{escaped(str(made_by.data["name"]))}</a></p>'
    if made_by.source is None:
        return ""
    answered = made_by.source.author
    return (
        f'<p class="above">{picture_html(answered.name, is_bot=answered.is_bot)}<b>{escaped(answered.name)}</b> '
        f"{_first_words(made_by.source)}</p>"
    )


def _first_words(message: Message) -> str:
    line = message.text.splitlines()[0] if message.text else "Click to see the message"
    return f"<span>{_inline(line.lstrip('# '))}</span>"


def _node(node: Node) -> str:
    inside = "".join(map(_node, node.children))
    match node.kind:
        case "container":
            color = "transparent" if node.accent_color is None else f"#{node.accent_color:06x}"
            return f'<div class="container" style="border-left-color:{color}">{inside}</div>'
        case "action_row":
            return f'<div class="row">{inside}</div>'
        case "button":
            assert node.button is not None
            return _button(node.button)
        case "text":
            return _markdown(node.text)
        case "separator":
            return "<hr>"
        case "file":
            return f'<p class="file">📄 {escaped(node.text.removeprefix("attachment://"))}</p>'
        case _:
            return f'<div class="row">{escaped(node.text)}{inside}</div>'


def _button(button: Button) -> str:
    off = " off" if button.is_disabled else ""
    return f'<b class="button {ButtonStyle(button.style).name.lower()}{off}">{escaped(button.label)}</b>'


def _markdown(text: str) -> str:
    """Return the Markdown that the bot writes: headings, small print, code blocks and escaped marks."""
    parts = text.split(FENCE)
    return "".join(
        f"<pre>{escaped(part.strip())}</pre>" if number % 2 else "".join(map(_line, part.strip().splitlines()))
        for number, part in enumerate(parts)
    )


def _line(line: str) -> str:
    for mark, tag in (("### ", "h3"), ("-# ", "small")):
        if line.startswith(mark):
            return f"<{tag}>{_inline(line.removeprefix(mark))}</{tag}>"
    return f"<p>{_inline(line)}</p>" if line.strip() else ""


def _inline(text: str) -> str:
    return escaped(ESCAPED_MARK.sub(r"\1", text))


def _label_of(form: Modal, field: Field) -> Mapping[str, object]:
    """Return the label around a field."""
    return next(each for each in form.components if (each.get("component") or {}).get("custom_id") == field.custom_id)


def _field(field: Field, label: Mapping[str, object], answer: str | None) -> str:
    required = "<i>*</i>" if field.is_required else ""
    description = label.get("description")
    hint = f"<small>{escaped(str(description))}</small>" if description else ""
    return f"<label>{escaped(field.label)}{required}</label>{hint}{_input(field, answer)}"


def _input(field: Field, answer: str | None) -> str:
    if field.kind == Kind.TEXT_INPUT:
        return f'<div class="input">{escaped(answer or str(field.component.get("value") or ""))}</div>'
    options = field.component["options"]
    return "".join(
        f'<p class="radio {"on" if option["value"] == answer else ""}"><i></i>{escaped(option["label"])}</p>'
        for option in options
    )
