"""The form with a workspace's settings, for its admins.

Slack is asked who is an admin when the form is opened, and again when it is sent.
"""

from bot.ask_options import ASPECT_RATIOS
from bot.slack.blocks import Block
from bot.slack.call import Call
from bot.slack.desk import Desk, Speech
from bot.slack.forms.deadline import end_form, in_time
from bot.slack.forms.frames import View, choice_field, choice_of, form, text_field, text_of
from bot.slack.forms.origin import Origin
from bot.slack.home import home_changed
from bot.slack.views import open_form
from bot.workspace_settings import MAX_QUOTA
from core.errors import InvalidParameter
from core.records import WorkspaceSettings

CALLBACK_ID = "mj1:settings"
VERSION, RATIO, PRIVATE, QUOTA, LANGUAGE = "version", "aspect_ratio", "private", "quota", "language"
NO, YES = "no", "yes"
MAX_CHARACTERS = {VERSION: 20, RATIO: 9, QUOTA: len(str(MAX_QUOTA))}


async def open_settings(desk: Desk, call: Call, _: str | None = None) -> None:
    """Open the form for an admin.

    Raises:
        NotAllowed: the person is no admin of the workspace, or Slack cannot say so.
    """
    await call.acknowledge()
    settings = await desk.services.administration.settings_of(call.identity)
    if not await desk.people.is_admin(call.workspace, call.user_id):
        # Asking for a change without the right to it is what the service refuses and records.
        await desk.services.administration.change_settings(call.identity, settings, is_workspace_admin=False)
    await open_form(desk, call, _view(await desk.speech_for(call.identity), settings, call))


async def settings_sent(desk: Desk, call: Call) -> None:
    """Change the settings and say so in the form.

    Raises:
        NotAllowed: the person is no admin of the workspace, or Slack cannot say so.
        InvalidParameter: a value is impossible; nothing was changed.
    """
    await in_time(call, _change(desk, call, _filled_in(call.body.get("view"))))
    home_changed(desk, call)
    speech = await desk.speech_for(call.identity)
    await end_form(desk, call, speech("slack.titles.settings"), speech("settings.saved"))


async def _change(desk: Desk, call: Call, wanted: WorkspaceSettings) -> None:
    is_admin = await desk.people.is_admin(call.workspace, call.user_id)
    await desk.services.administration.change_settings(call.identity, wanted, is_workspace_admin=is_admin)


def _view(speech: Speech, settings: WorkspaceSettings, call: Call) -> View:
    return form(
        CALLBACK_ID,
        title=speech("slack.titles.settings"),
        submit=speech("settings.edit"),
        close=speech("form.close"),
        origin=Origin(channel_id=call.channel_id),
        blocks=[*_typed(speech, settings), *_chosen(speech, settings)],
    )


def _typed(speech: Speech, settings: WorkspaceSettings) -> list[Block]:
    quota = None if settings.max_requests_per_day is None else str(settings.max_requests_per_day)
    ratios = ", ".join(ASPECT_RATIOS[:4])
    labels = {
        VERSION: (speech("commands.settings.options.version.description"), settings.midjourney_version),
        RATIO: (speech("slack.settings.ratio", examples=ratios), settings.aspect_ratio),
        QUOTA: (speech("slack.settings.quota"), quota),
    }
    return [
        text_field(name, label, value=value, max_characters=MAX_CHARACTERS[name], is_optional=True)
        for name, (label, value) in labels.items()
    ]


def _chosen(speech: Speech, settings: WorkspaceSettings) -> list[Block]:
    catalogs = speech.services.catalogs
    private = speech("commands.settings.options.private.description")
    language = speech("commands.settings.options.language.description")
    yes_or_no = {NO: speech("settings.no"), YES: speech("settings.yes")}
    languages = {name: catalogs.text(name, "language.name") for name in catalogs.languages}
    return [
        choice_field(PRIVATE, private, yes_or_no, chosen=YES if settings.is_private else NO),
        choice_field(LANGUAGE, language, languages, chosen=settings.language, is_optional=True),
    ]


def _filled_in(view: object) -> WorkspaceSettings:
    return WorkspaceSettings(
        midjourney_version=text_of(view, VERSION),
        aspect_ratio=text_of(view, RATIO),
        is_private=choice_of(view, PRIVATE) == YES,
        max_requests_per_day=_quota(text_of(view, QUOTA)),
        language=choice_of(view, LANGUAGE),
    )


def _quota(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_CHARACTERS[QUOTA]):
        raise InvalidParameter(f"The quota has to be a number from 1 to {MAX_QUOTA}, or empty for no limit.")
    return int(text)
