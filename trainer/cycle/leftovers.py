"""Folders that nobody deleted, since whoever carried their cycle out was killed, or somebody else ended it.

They hold people's texts, so they go as soon as anybody looks. Those of another database's cycles are left alone.
"""

from pathlib import Path

from core.errors import NotFound
from storage import cycles
from storage.database import Database
from trainer.cycle.folder import CYCLES_FOLDER, CycleFolder, cycles_below, needs_folder


async def delete_leftovers(database: Database, root: Path = CYCLES_FOLDER) -> None:
    """Delete the folder below `root` of each cycle of this database that has no use for it any more."""
    for cycle_id in cycles_below(root):
        if await _is_leftover(database, cycle_id):
            CycleFolder(cycle_id, root).delete()


async def _is_leftover(database: Database, cycle_id: str) -> bool:
    async with database.read() as session:
        try:
            cycle = await cycles.view(session, cycle_id)
        except NotFound:
            return False
    return not needs_folder(cycle.state)
