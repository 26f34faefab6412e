"""What Alembic runs for each command: one transaction on the database that DATABASE_URL names.

The program hands its own address over in `config.attributes`; the `alembic` command reads the settings.
"""

from typing import Literal

from alembic import context

from core.settings import load_settings
from storage.columns import UtcDateTime
from storage.migrations import migration_transaction
from storage.tables import METADATA
from storage.urls import is_sqlite, read_url


def main() -> None:
    """Run the migrations, or print their SQL with `--sql`."""
    url = context.config.attributes.get("database_url") or load_settings().database_url
    if context.is_offline_mode():
        print_sql(url)
    else:
        run(url)


def print_sql(url: str) -> None:
    """Write the statements of the migrations to standard output."""
    parsed = read_url(url)
    context.configure(
        dialect_name=parsed.get_backend_name(),
        target_metadata=METADATA,
        literal_binds=True,
        render_as_batch=is_sqlite(parsed),
    )
    with context.begin_transaction():
        context.run_migrations()


def run(url: str) -> None:
    """Change the database in one transaction."""
    with migration_transaction(url) as connection:
        context.configure(
            connection=connection,
            target_metadata=METADATA,
            transactional_ddl=True,
            render_item=render_item,
            render_as_batch=is_sqlite(read_url(url)),
        )
        with context.begin_transaction():
            context.run_migrations()


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our column types into a revision as SQLAlchemy's own, so that it imports no code of ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


main()
