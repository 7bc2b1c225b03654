"""The table of a ranking, as a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from features.files import write_file

if TYPE_CHECKING:
    from decaf.ranking.ranking import RankedPhoto, Ranking

TABLE_FILE = "ranking.csv"


def write_table(path: Path, ranking: Ranking) -> None:
    """Write ranking.csv: the ranked photos, then those that failed, without a rank.

    Parameters
    ----------
    path : Path
    ranking : Ranking

    Raises
    ------
    InputError
        If it cannot be written.
    """
    rows = [_row(photo) for photo in ranking]
    columns = [*rows[0], "reason"]
    rows += [{"file": name, "reason": reason} for name, reason in ranking.failed]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    # Names need not be UTF-8; `find_photos` reads them back from a .csv as they were.
    write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _row(photo: RankedPhoto) -> dict[str, object]:
    row = {
        "file": photo.name,
        "rank": photo.rank,
        "percentile": f"{photo.percentile:.1f}",
        "probability": f"{photo.probability:.4f}",
    }
    if photo.mean is not None:
        row["predicted_mean"] = f"{photo.mean:.3f}"
        row["predicted_spread"] = f"{photo.spread:.3f}"
    return row | {"stack": photo.stack}
