"""An album in the order of a model's taste.

Nothing here moves, changes or deletes a photo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from scipy.special import logit
from tqdm import tqdm

from decaf.models.model import Model, ScoredPhotos
from decaf.networks.votes import mean_and_spread
from decaf.ranking.copies import copy_best
from decaf.ranking.page import OWN_FILES, PAGE_FILE, write_page
from decaf.ranking.sharpness import measure_sharpness
from decaf.ranking.stacks import NEAR, find_stacks, order_frames
from decaf.ranking.table import TABLE_FILE, write_table
from features.errors import InputError
from features.folders import check_output_folder, filling_folder
from features.photos import capture_time, find_photos, photo_root
from features.stars import GivenStars, rate_photos
from features.xmp import SIDECARS

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class RankedPhoto:
    """A photo's place among the photos of its folder.

    Attributes
    ----------
    name, path : str
    rank : int
        1 is the best.
    percentile : float
        Share of the other photos that it is ranked above, 0 to 100.
    score : float
        The classifier's decision score, by which photos are ranked. The photos of a stack share out
        the ranks of theirs anew, by log-odds and `decaf.ranking.sharpness` together.
    probability : float
        Of professional; calibrated.
    stack : int or None
        Photos of one stack have one number; None for a photo by itself.
    is_top : bool
        Whether it is the best of its stack, or by itself.
    mean, spread : float or None
        The predicted score and how far people's may lie from it, in the units of the ratings, by
        the classifier or, where that learnt labels, by the network; of one of votes, mean and
        standard deviation of the votes that it predicts.
    votes : tuple of float
        Predicted shares of the votes; empty where the network predicts none.
    """

    name: str
    path: str
    rank: int
    percentile: float
    score: float
    probability: float
    stack: int | None
    is_top: bool
    mean: float | None = None
    spread: float | None = None
    votes: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Ranking(Sequence[RankedPhoto]):
    """The photos of a folder, the best first.

    Attributes
    ----------
    photos : tuple of RankedPhoto
    title : str
        The folder's name.
    facts : dict of str to str
        About the model.
    notes : tuple of str
        Sentences that a reader of the ranking must know.
    failed : tuple of (str, str)
        Names of the photos that could not be read, and why.
    """

    photos: tuple[RankedPhoto, ...]
    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    @overload
    def __getitem__(self, place: int) -> RankedPhoto: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[RankedPhoto, ...]: ...

    def __getitem__(self, place: int | slice) -> RankedPhoto | tuple[RankedPhoto, ...]:
        return self.photos[place]

    def __iter__(self) -> Iterator[RankedPhoto]:
        return iter(self.photos)

    @property
    def tops(self) -> list[RankedPhoto]:
        """The best photo of each stack, and those that are by themselves."""
        return [photo for photo in self.photos if photo.is_top]

    @property
    def n_stacks(self) -> int:
        """How many stacks of several photos there are."""
        return len({photo.stack for photo in self.photos} - {None})

    def to_pandas(self) -> pandas.DataFrame:
        """Put the ranking into a table, a row a photo.

        Returns
        -------
        pandas.DataFrame
            The attributes of `RankedPhoto` but for the votes; mean and spread only where scores or
            votes are predicted.
        """
        import pandas

        table = pandas.DataFrame([asdict(photo) for photo in self.photos]).drop(columns="votes")
        table["stack"] = table["stack"].astype("Int64")
        has_means = any(photo.mean is not None for photo in self)
        return table if has_means else table.drop(columns=["mean", "spread"])

    def write(
        self, folder: str | os.PathLike, *, force: bool = False, progress: bool = True
    ) -> None:
        """Write the table and the page: ranking.csv, and ranking.html with what lies beside it.

        Parameters
        ----------
        folder : path-like
            Is made if it is not there.
        force : bool
            Replace a ranking that is in the folder, even where somebody has changed it; its other
            files stay.
        progress : bool
            Show a progress bar on stderr.

        Raises
        ------
        AlreadyThere
            The folder holds something else than a ranking as it was written.
        InputError
            A file cannot be written.
        """
        folder = Path(folder)
        check_output_folder(folder, force=force, owner="ranking", own_files=OWN_FILES)
        with filling_folder(folder, "ranking", OWN_FILES):
            write_table(folder / TABLE_FILE, self)
            write_page(folder / PAGE_FILE, self, progress=progress)

    def write_stars(
        self,
        *,
        sidecar: str = SIDECARS[0],
        overwrite: bool = False,
        ignore_stars: Sequence[float] = (),
        dry_run: bool = False,
    ) -> list[GivenStars]:
        """Write stars by percentile into XMP sidecars, but not over a person's ratings.

        Parameters
        ----------
        sidecar : {"photo.jpg.xmp", "photo.xmp"}
            What sidecars are called: as by darktable and digiKam, or as by Lightroom.
        overwrite : bool
            Write over a person's ratings, too.
        ignore_stars : sequence of float
            Ratings that count as none, such as the 1 that darktable gives every new photo.
        dry_run : bool
            Write nothing, and tell what would be done.

        Returns
        -------
        list of GivenStars
            One a photo; where XMP cannot be read or written, that photo alone is refused.
        """
        return rate_photos(
            [photo.path for photo in self],
            [photo.percentile for photo in self],
            naming=sidecar,
            overwrite=overwrite,
            ignore_stars=ignore_stars,
            dry_run=dry_run,
        )

    def copy_best(self, n: int, folder: str | os.PathLike) -> int:
        """Copy the best photos, as `decaf.ranking.copies.copy_best` does."""
        return copy_best(self, n, folder)


def rank_photos(
    photos: str | os.PathLike,
    model: Model,
    *,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Ranking:
    """Rank photos by a model, and stack those of one burst.

    Parameters
    ----------
    photos : path-like
        A folder of photos, or a list of them, as in `features.photos.find_photos`.
    model : Model
    cache : path-like, optional
        The folder of cached activations, as in `Model.score_photos`.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        There are no photos, or none can be read.
    """
    names = find_photos(photos)
    paths = [str(photo_root(photos) / name) for name in names]
    scored = model.score_photos(paths, cache=cache, progress=progress)
    failed = tuple((names[i], reason) for i, reason in scored.activations.failed)
    if len(failed) == len(names):
        raise InputError(f"{photos}: none of its {len(names):,} photos can be read")
    pooling = model.network.record.pooling
    return Ranking(
        photos=tuple(order_photos(names, paths, scored, NEAR[pooling], progress=progress)),
        title=Path(photos).resolve().name,
        facts=_facts(model),
        notes=_notes(model, scored, failed),
        failed=failed,
    )


def order_photos(
    names: Sequence[str],
    paths: Sequence[str],
    scored: ScoredPhotos,
    near: float,
    *,
    progress: bool = True,
) -> list[RankedPhoto]:
    """Put scored photos in order, and stack those of one burst.

    Parameters
    ----------
    names, paths : sequence of str
        Of all photos that were to be scored.
    scored : ScoredPhotos
        Those that could be read.
    near : float
        Least cosine of the activations of a burst's photos.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    list of RankedPhoto
        The best first; photos with equal scores by their names, those of a stack by their sharpness
        as well.
    """
    positions = scored.activations.positions
    names, paths = [names[i] for i in positions], [paths[i] for i in positions]
    n = len(names)
    order = sorted(range(n), key=lambda i: (-scored.score[i], names[i]))
    bar = tqdm(paths, "times", unit="photo", delay=1, disable=not progress)
    times = np.array([capture_time(path) for path in bar])
    tops = find_stacks(scored.activations, times, order, near, progress=progress)
    several = np.bincount(tops, minlength=n)[tops] > 1
    sharpness = np.zeros(n)
    stacked = np.flatnonzero(several)
    sharpness[stacked] = measure_sharpness([paths[i] for i in stacked], progress=progress)
    # Both are logarithms. A probability of 0 or 1 has no odds.
    odds = logit(np.clip(scored.probability, 1e-9, 1 - 1e-9))
    order = order_frames(order, tops, odds + sharpness).tolist()
    first_of: dict[int, int] = {}
    for i in order:
        first_of.setdefault(tops[i], i)
    number_of = {
        top: number for number, top in enumerate((t for t in first_of if several[t]), start=1)
    }
    predicted: list[dict[str, Any]] = [{} for _ in range(n)]
    if scored.predicted is not None and scored.spread is not None:
        predicted = [
            {"mean": float(mean), "spread": float(spread)}
            for mean, spread in zip(scored.predicted, scored.spread)
        ]
    elif scored.votes is not None:
        predicted = [
            {"mean": float(mean), "spread": float(spread), "votes": tuple(map(float, votes))}
            for mean, spread, votes in zip(*mean_and_spread(scored.votes), scored.votes)
        ]
    return [
        RankedPhoto(
            name=names[i],
            path=paths[i],
            rank=rank,
            percentile=100 * (n - rank) / (n - 1) if n > 1 else 100.0,
            score=float(scored.score[i]),
            probability=float(scored.probability[i]),
            stack=number_of.get(tops[i]),
            is_top=first_of[tops[i]] == i,
            **predicted[i],
        )
        for rank, i in enumerate(order, start=1)
    ]


def _notes(
    model: Model, scored: ScoredPhotos, failed: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    notes = []
    n_seen = int(model.seen.holds(scored.activations.digests).sum())
    if n_seen:
        notes.append(
            f"{n_seen:,} of these photos trained the model; their ranks are its memory of them."
        )
    if failed:
        notes.append(f"{len(failed):,} photos could not be read; {TABLE_FILE} says why.")
    return tuple(notes)


def _facts(model: Model) -> dict[str, str]:
    record, auc = model.record, model.record.judged.auc
    error = record.calibration.error_after
    made_of = {} if model.folder is None else {"model": str(model.folder)}
    if record.licence is not None:
        made_of["weights"] = record.licence
    return made_of | {
        "classifier": f"{record.classifier} on {record.features}",
        "trained on": f"{record.trained_on.photos:,} photos",
        **_order_facts(model),
        "how sure it is": f"AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}): of a "
        "professional photo and a snapshot that it had not seen it ranked the right one higher so "
        f"often ({record.judged.photos:,} photos, 95 % interval)",
        "probability": "calibrated on photos that were held back"
        + ("" if error is None else f"; there it was off by {error:.2f} on average"),
    }


def _order_facts(model: Model) -> dict[str, str]:
    """What is to be known of a model that has learnt scores."""
    units, srcc = model.record.predicted_scores, model.record.judged.srcc
    facts = {}
    if units is not None:
        low, high = units.scale
        facts["predicted score"] = (
            f"from {low:g} to {high:g}; people's own were off it by {units.error:.2g} (standard "
            "deviation, photos that were held back)"
        )
    if srcc is not None:
        facts["order"] = (
            f"rank correlation with people's scores {srcc.value:.2f} "
            f"({srcc.low:.2f}–{srcc.high:.2f}; 1 is their very order, 0 none)"
        )
    return facts
