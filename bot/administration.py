"""What touches more than a person's own rows: a workspace's settings, and the model that everybody shares.

A workspace's admins decide about its settings, and about nothing else: anybody is an admin of a workspace that they
own. Only operators, listed by id in the product's settings, act on the model. Checks fail closed, and each refusal and
each confirmation is one audit row. It knows no platform.
"""

from collections.abc import Mapping

from bot.access import record_refusal, shortened
from bot.catalog import Catalogs
from bot.cycle_planner import CyclePlanner
from bot.model_decisions import Decision, ModelDecisions
from bot.settings_memory import SettingsMemory
from bot.workspace_settings import readable_settings
from core.errors import NotAllowed
from core.operators import is_listed, read_operators
from core.records import AuditAction, Destination, Identity, ModelStatus, Platform, WorkspaceSettings
from core.settings import Settings
from storage import adapters, audit, command_sync, events, users, workspaces
from storage.database import Database

# What only operators may do, each with its sentence in the catalogs.
OPERATOR_ACTIONS = (AuditAction.RETRAIN, AuditAction.CANCEL_RETRAIN, AuditAction.PROMOTE, AuditAction.ROLLBACK)


class AdministrationService:
    """Settings, operators and the model's state over one database."""

    def __init__(
        self, database: Database, settings: Settings, catalogs: Catalogs, planner: CyclePlanner | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._catalogs = catalogs
        self._operators = read_operators(settings.operator_ids)
        self._memory = SettingsMemory(self._read_settings)
        self._decisions = ModelDecisions(database, settings, planner)

    async def settings_of(self, identity: Identity) -> WorkspaceSettings:
        """Return what the admins of the person's workspace decided; the defaults outside of any."""
        return await self._read_settings(identity.platform, identity.workspace_external_id)

    async def remembered_settings(self, identity: Identity) -> WorkspaceSettings:
        """Return what `settings_of` does, at most some seconds old: for whoever has to be quick."""
        return await self._memory.of(identity.platform, identity.workspace_external_id)

    async def change_settings(
        self, identity: Identity, settings: WorkspaceSettings, *, is_workspace_admin: bool
    ) -> WorkspaceSettings:
        """Replace the settings of the person's workspace; return them as they hold now.

        Raises:
            NotAllowed: the person is no admin there, or writes from outside of any workspace.
            InvalidParameter: a value is impossible; nothing was changed.
        """
        if not is_workspace_admin:
            await record_refusal(self._database, identity, AuditAction.CHANGE_SETTINGS, {})
            raise NotAllowed("Only admins of this workspace may change its settings; ask one of them.")
        if identity.workspace_external_id is None:
            raise NotAllowed("Settings belong to a server or workspace, and this is none; use the command there.")
        readable = readable_settings(settings, languages=self._catalogs.languages, product=self._settings)
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            await workspaces.change(session, identity.platform, identity.workspace_external_id, readable)
            await audit.record(
                session,
                action=AuditAction.CHANGE_SETTINGS,
                user_id=user_id,
                workspace_external_id=identity.workspace_external_id,
                is_allowed=True,
                details={
                    "midjourney_version": readable.midjourney_version,
                    "aspect_ratio": readable.aspect_ratio,
                    "is_private": readable.is_private,
                    "max_requests_per_day": readable.max_requests_per_day,
                    "language": readable.language,
                },
            )
        self._memory.keep(identity.platform, identity.workspace_external_id, readable)
        return readable

    def is_operator(self, identity: Identity) -> bool:
        """Tell whether the person is on the list of operators, whatever they are in their workspace."""
        return is_listed(self._operators, identity)

    async def require_operator(self, identity: Identity, action: AuditAction, *, details: Mapping[str, object]) -> None:
        """Check that the person may act on the shared model; a refusal is an audit row.

        Of `details`, it keeps an adapter only if there is one of that name: anything else is just what they typed.

        Raises:
            NotAllowed: they are no operator.
        """
        if not self.is_operator(identity):
            await record_refusal(self._database, identity, action, await self._without_typed(details))
            raise NotAllowed("Only operators of this bot may do that, because everybody shares its model.")

    async def confirm(
        self,
        identity: Identity,
        action: AuditAction,
        *,
        details: Mapping[str, object],
        event_id: str,
        follow_at: Destination | None = None,
    ) -> str:
        """Carry out an operator's confirmed decision, once an event; return the sentence that says what happened.

        It is done and recorded in one transaction. A training that begins is followed by a message at `follow_at`.

        Raises:
            NotAllowed: the person is no operator (any more).
            NotFound: no adapter that could be promoted is named, nothing served before, or no training is going on.
            NotPossible: it cannot be done as things are; nothing was written.
        """
        await self.require_operator(identity, action, details=details)
        await self._decisions.require_possible(action)
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, identity)
            decision = Decision(
                action=action,
                identity=identity,
                user_id=user_id,
                adapter=details.get("adapter"),
                follow_at=follow_at,
            )
            if await events.first_time(session, identity.platform, f"confirm:{event_id}", user_id=user_id):
                done = await self._decisions.carry_out(session, decision)
                await audit.record(
                    session,
                    action=action,
                    user_id=user_id,
                    workspace_external_id=identity.workspace_external_id,
                    is_allowed=True,
                    details=shortened({**details, **done.details}),
                )
            else:
                done = await self._decisions.told_again(session, decision)
            settings = await workspaces.settings_of(session, identity.platform, identity.workspace_external_id)
        language = self._catalogs.language(settings.language, identity.locale)
        return self._catalogs.text(language, done.key, **done.values)

    async def model_status(self, identity: Identity) -> ModelStatus:
        """Tell what serves now, and what part of what it learned from is the person's."""
        async with self._database.read() as session:
            viewer_id = await users.find_user(session, identity)
            return await adapters.status(session, viewer_id=viewer_id)

    async def _without_typed(self, details: Mapping[str, object]) -> dict[str, object]:
        names = await self.adapter_names() if "adapter" in details else []
        return {name: value for name, value in details.items() if name != "adapter" or value in names}

    async def adapter_names(self) -> list[str]:
        """Return the adapters that an operator could promote."""
        async with self._database.read() as session:
            return await adapters.names(session)

    async def uninstalled(self, platform: Platform, workspace_external_id: str) -> None:
        """Delete what belongs to a workspace that took the bot out."""
        async with self._database.write() as session:
            num_requests = await workspaces.forget(session, platform, workspace_external_id)
            await audit.record(
                session,
                action=AuditAction.UNINSTALL,
                user_id=None,
                workspace_external_id=workspace_external_id,
                is_allowed=True,
                details={"num_requests": num_requests},
            )
        self._memory.forget(platform, workspace_external_id)

    async def _read_settings(self, platform: Platform, workspace_external_id: str | None) -> WorkspaceSettings:
        async with self._database.read() as session:
            return await workspaces.settings_of(session, platform, workspace_external_id)

    async def synced_commands(self, platform: Platform) -> str | None:
        """Return the hash of the commands that the platform was told last; None if it never was."""
        async with self._database.read() as session:
            return await command_sync.synced_hash(session, platform)

    async def remember_synced_commands(self, platform: Platform, hash_: str) -> None:
        """Keep the hash of the commands that the platform was told just now."""
        async with self._database.write() as session:
            await command_sync.remember_sync(session, platform, hash_)
