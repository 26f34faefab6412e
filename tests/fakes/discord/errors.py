"""What the fake answers to a wrong request, and what a test is told when a person could not have done that.

Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes
"""


class NotPossible(AssertionError):
    """Discord's own client would not let this person do that; the bot never hears of it."""


class Refusal(Exception):
    """An error answer of the REST interface.

    `is_avoidable` tells whether a correct bot never gets it; such a refusal is a violation. The rest happens to every
    bot: somebody deleted a message, closed their direct messages, took a permission away.
    """

    def __init__(self, status: int, code: int, message: str, *, is_avoidable: bool) -> None:
        super().__init__(f"{code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.is_avoidable = is_avoidable


def invalid(path: str, problem: str) -> Refusal:
    return Refusal(400, 50035, f"Invalid Form Body: {path}: {problem}", is_avoidable=True)


def empty_message() -> Refusal:
    return Refusal(400, 50006, "Cannot send an empty message", is_avoidable=True)


def unauthorized() -> Refusal:
    return Refusal(401, 0, "401: Unauthorized", is_avoidable=True)


def unknown_route() -> Refusal:
    return Refusal(404, 0, "404: Not Found (a route the fake does not know)", is_avoidable=True)


def unknown_channel() -> Refusal:
    return Refusal(404, 10003, "Unknown Channel", is_avoidable=False)


def unknown_guild() -> Refusal:
    return Refusal(404, 10004, "Unknown Guild", is_avoidable=False)


def unknown_message() -> Refusal:
    return Refusal(404, 10008, "Unknown Message", is_avoidable=False)


def unknown_user() -> Refusal:
    return Refusal(404, 10013, "Unknown User", is_avoidable=False)


def unknown_webhook() -> Refusal:
    return Refusal(404, 10015, "Unknown Webhook", is_avoidable=True)


def unknown_interaction() -> Refusal:
    return Refusal(404, 10062, "Unknown interaction", is_avoidable=True)


def already_acknowledged(*, is_avoidable: bool) -> Refusal:
    return Refusal(400, 40060, "Interaction has already been acknowledged.", is_avoidable=is_avoidable)


def too_many_followups() -> Refusal:
    message = "This interaction has reached the maximum number of follow up messages"
    return Refusal(400, 40094, message, is_avoidable=True)


def invalid_webhook_token() -> Refusal:
    return Refusal(401, 50027, "Invalid Webhook Token", is_avoidable=True)


def missing_access() -> Refusal:
    return Refusal(403, 50001, "Missing Access", is_avoidable=False)


def foreign_message() -> Refusal:
    return Refusal(403, 50005, "Cannot edit a message authored by another user", is_avoidable=True)


def closed_to_messages() -> Refusal:
    return Refusal(403, 50007, "Cannot send messages to this user", is_avoidable=False)


def missing_permissions() -> Refusal:
    return Refusal(403, 50013, "Missing Permissions", is_avoidable=False)
