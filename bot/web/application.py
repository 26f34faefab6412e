"""Putting the web chat together, and opening its address."""

import errno

from aiohttp import web

from bot.services import Services
from bot.watcher import RequestWatcher
from bot.web import security
from bot.web.bodies import MAX_BODY_BYTES
from bot.web.error_replies import reply_to_errors
from bot.web.routes import ChatRoutes
from bot.web.visitors import give_cookie
from core.errors import AddressInUse, ConfigError
from core.settings import Settings

SHUTDOWN_SECONDS = 2.0


def create_app(services: Services, watcher: RequestWatcher) -> web.Application:
    """Build the web chat; it closes `watcher` when it shuts down."""
    settings = services.settings
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[
            give_cookie,
            reply_to_errors,
            security.known_host_only(settings),
            security.password_only(settings),
            security.same_origin_writes_only(settings),
        ],
    )
    app.add_routes(ChatRoutes(services, watcher).table())
    app.on_response_prepare.append(security.send_security_headers)

    async def close_watcher(_: web.Application) -> None:
        await watcher.close()

    app.on_shutdown.append(close_watcher)
    return app


async def start_site(app: web.Application, settings: Settings) -> tuple[web.AppRunner, int]:
    """Serve `app` under the settings' host and port; return the runner to clean up later, and the real port.

    Raises:
        AddressInUse: another program has the port, or this account may not open it.
        ConfigError: the host is no address of this machine.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.web_host, settings.web_port).start()
    except OSError as error:
        await runner.cleanup()
        raise _refused(error, settings) from error
    return runner, int(runner.addresses[0][1])


def _refused(error: OSError, settings: Settings) -> AddressInUse | ConfigError:
    address = f"{settings.web_host}:{settings.web_port}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"The web chat cannot open {address} because another program has it; stop that program, "
            "or set WEB_PORT to another port (0 takes any free one)."
        )
    if error.errno == errno.EACCES:
        return AddressInUse(f"The web chat may not open {address}; set WEB_PORT to a port from 1024 to 65535.")
    return ConfigError(f"The web chat cannot open {address}: it is no address of this machine; set WEB_HOST=127.0.0.1.")
