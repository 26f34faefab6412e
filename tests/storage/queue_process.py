"""A small worker in a process of its own: `queue_process.py URL NAME drain|nap`.

It says "ready", waits for a line, and then either drains the queue or claims one request and naps on it. Each
line that it writes is JSON.
"""

import asyncio
import json
import sys

from core.records import CandidateDraft, ClaimedRequest, ModelInfo
from storage.database import open_database
from storage.queue import SqlQueue

LEASE_SECONDS = 30.0


def say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def answer(queue: SqlQueue, claim: ClaimedRequest, name: str) -> bool:
    model = ModelInfo(base="pocket", adapter=None, precision="fp32", device="cpu")
    drafts = [CandidateDraft(rank=1, text=f"by {name}", score=-1.0)]
    return await queue.complete(claim, drafts, model, {}, 0.1)


async def drain(queue: SqlQueue, name: str) -> None:
    """Claim and answer until nothing is left; write the ids that were answered."""
    answered = []
    while claims := await queue.claim(name, 3):
        answered += [claim.id for claim in claims if await answer(queue, claim, name)]
    say(answered)


async def nap(queue: SqlQueue, name: str) -> None:
    """Claim one request, write its id, sleep until a line comes, and write whether the answer was taken."""
    (claim,) = await queue.claim(name, 1)
    say(claim.id)
    sys.stdin.readline()
    say(await answer(queue, claim, name))


async def main(url: str, name: str, mode: str) -> None:
    database = open_database(url)
    queue = SqlQueue(database, lease_seconds=LEASE_SECONDS, max_attempts=2)
    say("ready")
    sys.stdin.readline()
    await {"drain": drain, "nap": nap}[mode](queue, name)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
