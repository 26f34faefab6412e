"""A training's losses over its steps, and their picture.

It knows neither models nor folders. matplotlib is asked for a picture in memory only: no window, no global state.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PICTURE_INCHES = (8.0, 4.5)
PICTURE_DPI = 120
TRAIN_COLOUR, VALIDATION_COLOUR = "#9aa5b1", "#c2410c"

Point = tuple[int, float]  # an optimizer step, and nats per answer token


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Losses in nats per answer token at optimizer steps, in the order of the steps; either may be empty."""

    train: tuple[Point, ...]
    validation: tuple[Point, ...]

    @property
    def best(self) -> Point | None:
        """The lowest validation loss and where it was, None when nothing was validated."""
        return min(self.validation, key=lambda point: point[1], default=None)

    def as_dict(self) -> dict[str, list[list[float]]]:
        """Return the points as plain JSON values."""
        return {name: [list(point) for point in getattr(self, name)] for name in ("train", "validation")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[Sequence[Any]]]) -> "Curves":
        """Read what `as_dict` returned.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        return cls(
            train=tuple((int(step), float(loss)) for step, loss in values["train"]),
            validation=tuple((int(step), float(loss)) for step, loss in values["validation"]),
        )


def draw_curves(curves: Curves, *, title: str) -> bytes:
    """Return a PNG of both losses over the steps, with the best validation loss marked; equal curves, equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - two seconds that only this needs
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=PICTURE_INCHES, dpi=PICTURE_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=title, xlabel="optimizer step", ylabel="loss, nats per answer token")
    _draw(axes, curves.train, label="training", color=TRAIN_COLOUR, linewidth=1.2)
    label = "validation" if curves.best is None else "validation, best {1:.3f} at step {0}".format(*curves.best)
    _draw(axes, curves.validation, label=label, color=VALIDATION_COLOUR, linewidth=2.0, marker="o", markersize=4)
    if curves.best is not None:
        axes.axhline(curves.best[1], color=VALIDATION_COLOUR, linewidth=0.8, linestyle=":")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    if curves.train or curves.validation:
        axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _draw(axes: Any, points: Sequence[Point], **style: Any) -> None:
    if points:
        axes.plot([step for step, _ in points], [loss for _, loss in points], **style)
