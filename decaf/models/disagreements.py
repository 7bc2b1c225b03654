"""Photos to be shown in the report, of which the model thinks otherwise than who rated them."""

from __future__ import annotations

import base64
import io

from PIL import Image

from classifiers.evaluation.disagreement import find_disagreements
from classifiers.evaluation.evaluation import Evaluation
from classifiers.evaluation.report import ShownDisagreement
from features.photos import PhotoError, read_photo
from features.ratings import RatedPhotos
from features.text import displayable

# As many as can be looked at before one goes on.
SHOWN = 12
# The longer side in pixels, and the quality of WebP, of 100: about 10 kB a photo.
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 320, 60


def show_disagreements(evaluation: Evaluation, rated: RatedPhotos) -> list[ShownDisagreement]:
    """Find the photos of which scores and model differ most, and make pictures of them.

    Parameters
    ----------
    evaluation : Evaluation
    rated : RatedPhotos
        Those that were evaluated.

    Returns
    -------
    list of ShownDisagreement
        None where there are no scores.
    """
    if rated.score is None:
        return []
    return [
        ShownDisagreement(
            name=displayable(rated.names[each.row]),
            thumbnail="" if rated.paths is None else _thumbnail(rated.paths[each.row]),
            given=each.given,
            expected=each.expected,
        )
        for each in find_disagreements(evaluation, rated.score, SHOWN)
    ]


def _thumbnail(path: str) -> str:
    try:
        rgb, _ = read_photo(path, min_side=THUMBNAIL_SIDE // 2)
    except PhotoError:
        return ""
    image = Image.fromarray(rgb)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=THUMBNAIL_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
