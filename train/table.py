"""A table of figures, for the terminal and for the report."""

from dataclasses import dataclass

Row = tuple[str, list[float | int]]


@dataclass(frozen=True)
class Table:
    """Figures with a title; a note says how they were made."""

    title: str
    columns: list[str]
    rows: list[Row]
    note: str = ""

    def __str__(self) -> str:
        """Lines as wide as a terminal."""
        lines = [f"{self.title:44}" + "".join(f"{column:>12}" for column in self.columns)]
        for name, figures in self.rows:
            lines.append(f"  {name:42}" + "".join(f"{show(figure):>12}" for figure in figures))
        return "\n".join([*lines, *([f"  ({self.note})"] if self.note else [])])


def show(figure: float | int) -> str:
    """Four places of what is small, whole numbers as they are."""
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure:.4f}" if abs(figure) < 10 else f"{figure:.1f}"


def captions_title(beams: int) -> str:
    """Of the table of captions by so many beams."""
    return "Captions, greedy" if beams == 1 else f"Captions, beam {beams}"
