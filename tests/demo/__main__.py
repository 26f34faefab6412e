"""Run the demo: python -m tests.demo; DEMO_OUTPUT names the folder for the pictures, docs/ otherwise."""

import asyncio
import os
import sys
from pathlib import Path

from rich.console import Console

from core.settings import PROJECT_ROOT
from tests.demo import cycle_story
from tests.demo.pictures import draw, draw_cycle
from tests.demo.play import play
from tests.demo.steps import DemoFailed, Steps
from tests.fakes.discord.errors import NotPossible


async def run(console: Console, output: Path, *, module: str = "app.cli") -> int:
    """Run the demo with the command line in `module`; return the exit status."""
    tell = Steps(console, "Demo").tell
    try:
        drawings = await play(console, module=module)
        tell("no rule of Discord or Slack was broken, and mjprompt run stopped cleanly")
        pictures = dict(await draw(output, *drawings))
        pictures |= await draw_cycle(output, await cycle_story.on_discord(), await cycle_story.on_slack())
        for file in pictures.values():
            tell(f"drew {file}")
    except (DemoFailed, NotPossible, AssertionError, RuntimeError) as error:
        tell(f"failed: {error}")
        return 1
    return 0


def main() -> int:
    output = Path(os.environ.get("DEMO_OUTPUT") or PROJECT_ROOT / "docs")
    output.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run(Console(highlight=False), output))


if __name__ == "__main__":
    sys.exit(main())
