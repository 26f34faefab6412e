"""What the database holds, read beside the bot by plain SQL: the rows are the truth that messages only show."""

import sqlite3
from pathlib import Path
from typing import Any


class Truth:
    """A reader of one SQLite file that sees what is committed."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """Return the one value of a query's one row; None for no row."""
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._connection.close()

    def dump(self) -> list[str]:
        """Return every row of every table as SQL."""
        return list(self._connection.iterdump())

    def requests_of(self, external_id: str) -> list[str]:
        """Return the ids of a person's requests, oldest first."""
        query = "SELECT r.id FROM requests r JOIN users u ON u.id = r.user_id WHERE u.external_id = ? ORDER BY r.id"
        return [row[0] for row in self.rows(query, external_id)]

    def state_of(self, request_id: str) -> str | None:
        """Return a request's state; None when it is gone."""
        state = self.value("SELECT state FROM requests WHERE id = ?", request_id)
        return None if state is None else str(state)

    def presses_on(self, prompt_id: str) -> int:
        """Count the presses of a thumb, those that took a vote back as well."""
        return int(self.value("SELECT count(*) FROM vote_events WHERE candidate_id = ?", prompt_id))

    def votes_on(self, prompt_id: str) -> tuple[int, int]:
        """Return how many 👍 and 👎 stand."""
        query = "SELECT coalesce(sum(thumb = 'up'), 0), coalesce(sum(thumb = 'down'), 0) FROM votes "
        return tuple(self.rows(f"{query} WHERE candidate_id = ?", prompt_id)[0])  # type: ignore[return-value]

    def prompts_of(self, request_id: str) -> list[str]:
        """Return the ids of a request's candidates, the best first."""
        query = "SELECT id FROM candidates WHERE request_id = ? ORDER BY rank"
        return [row[0] for row in self.rows(query, request_id)]

    def audit_of(self, external_id: str) -> list[tuple[str, bool]]:
        """Return what a person tried that left a trace, oldest first, and whether they were allowed to."""
        query = "SELECT a.action, a.is_allowed FROM audit_events a JOIN users u ON u.id = a.user_id "
        return [
            (row[0], bool(row[1])) for row in self.rows(f"{query} WHERE u.external_id = ? ORDER BY a.id", external_id)
        ]
