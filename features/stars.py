"""Stars: read of an album that a person has rated, and given by the percentiles of a ranking."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from features.errors import InputError, Shortage, WrittenMeanwhile
from features.photos import find_photos, photo_root
from features.replacing import remove_partials
from features.xmp import (
    SIDECARS,
    belongs_to_another,
    find_rating,
    put_stars,
    read_sidecar,
    sidecar_of,
)
from features.xmp_packet import REJECTED

# The percentiles from which on a photo gets 2, 3, 4 and 5 stars.
STAR_PERCENTILES = (10, 30, 70, 90)

# A sidecar that another program writes again and again is left to that.
_MOST_TRIES = 10


@dataclass(frozen=True)
class GivenStars:
    """What `rate_photos` or `write_ratings` did with one photo, or would do.

    Attributes
    ----------
    photo, sidecar : str
        Paths.
    stars : int
        1 to 5, by the photo's percentile; or a person's, where −1 is rejected.
    outcome : {"written", "unchanged", "kept", "refused"}
        Whether the stars were written, were there before, gave way to a person's rating, or could
        not be written.
    reason : str
        Why they were kept or refused, in one line; else empty.
    initial : bool
        Whether they gave way to the one star that darktable gives every new photo.
    """

    photo: str
    sidecar: str
    stars: int
    outcome: str
    reason: str = ""
    initial: bool = False


@dataclass(frozen=True)
class AlbumStars:
    """The stars that people gave the photos of an album.

    Attributes
    ----------
    stars : dict of str to float
        By name: −1 rejected, else up to 5.
    unrated : int
        How many photos have none, or only such as are ignored.
    failed : tuple of (str, str)
        Names of the photos whose stars cannot be read, and why.
    initial : int
        How many photos have one star in what darktable wrote. Those that nobody has looked at do,
        too: darktable gives every new photo one star, if it is not told otherwise.
    """

    stars: dict[str, float]
    unrated: int
    failed: tuple[tuple[str, str], ...]
    initial: int


def read_stars(photos: str | os.PathLike, ignore: Sequence[float] = ()) -> AlbumStars:
    """Read the stars that people gave the photos of an album.

    Parameters
    ----------
    photos : path-like
        A folder or a list of photos, as in `features.photos.find_photos`; a photo that is listed
        twice counts once.
    ignore : sequence of float
        Stars that count as none.

    Returns
    -------
    AlbumStars

    Raises
    ------
    InputError
        When no photo has stars.
    """
    stars: dict[str, float] = {}
    failed: list[tuple[str, str]] = []
    unrated, initial, seen = 0, 0, set()
    for name in tqdm(find_photos(photos), "stars", unit="photo", delay=1):
        path = os.path.normpath(photo_root(photos) / name)
        if path in seen:
            continue
        seen.add(path)
        try:
            found = find_rating(path)
        except InputError as error:
            failed.append((name, str(error)))
            continue
        if found is None or not found.stars or found.stars in ignore:
            unrated += 1
        else:
            stars[name] = found.stars
            initial += found.is_initial
    if not stars:
        raise InputError(
            f"{photos}: none of its {len(seen):,} photos has stars that can be read; rate some"
        )
    return AlbumStars(stars, unrated, tuple(failed), initial)


def stars_of(percentile: float) -> int:
    """Turn a percentile into stars: few photos are the best, few the worst, as photographers rate.

    Parameters
    ----------
    percentile : float
        0 to 100: the share of the folder's other photos that are worse.

    Returns
    -------
    int
        5 for the best tenth, 4 for the next fifth, 3 for the middle two fifths, 2 for the next
        fifth, 1 for the worst tenth.

    Examples
    --------
    >>> [stars_of(percentile) for percentile in (0, 10, 50, 95)]
    [1, 2, 3, 5]
    """
    return 1 + bisect_right(STAR_PERCENTILES, percentile)


def rate_photos(
    paths: Sequence[str | os.PathLike],
    percentiles: Sequence[float],
    *,
    naming: str = SIDECARS[0],
    overwrite: bool = False,
    ignore_stars: Sequence[float] = (),
    dry_run: bool = False,
) -> list[GivenStars]:
    """Write stars by percentile into sidecars, but not over a person's ratings.

    Photos themselves are never touched. A photo that a person has rated or rejected, in either
    sidecar or in the photo, is left as it is.

    Parameters
    ----------
    paths : sequence of path-like
        Of photos.
    percentiles : sequence of float
        As in `stars_of`.
    naming : {"photo.jpg.xmp", "photo.xmp"}
        What sidecars are called.
    overwrite : bool
        Write over a person's ratings, too.
    ignore_stars : sequence of float
        Ratings that count as none, such as the 1 that darktable gives every new photo.
    dry_run : bool
        Write nothing, and tell what would be done.

    Returns
    -------
    list of GivenStars
        One a photo, in their order. Where XMP cannot be read or written, that photo alone is
        refused.
    """
    stars = [stars_of(percentile) for percentile in percentiles]
    rules = _Rules(naming, overwrite, ignore_stars, dry_run)
    return _give(paths, stars, rules)


def write_ratings(
    paths: Sequence[str | os.PathLike],
    stars: Sequence[int],
    *,
    naming: str = SIDECARS[0],
    overwrite: bool = False,
    ignore_stars: Sequence[float] = (),
) -> list[GivenStars]:
    """Write what a person said of photos into sidecars, as that person's ratings.

    Parameters
    ----------
    paths : sequence of path-like
        Of photos.
    stars : sequence of int
        1 to 5, or −1 for a photo that the person has rejected.
    naming, overwrite, ignore_stars
        As in `rate_photos`: another rating that a person gave before is kept.

    Returns
    -------
    list of GivenStars
        As of `rate_photos`.
    """
    return _give(paths, stars, _Rules(naming, overwrite, ignore_stars, by_person=True))


@dataclass(frozen=True)
class _Rules:
    """How stars are written; see `rate_photos`."""

    naming: str
    overwrite: bool
    ignore_stars: Sequence[float]
    dry_run: bool = False
    by_person: bool = False


def _give(
    paths: Sequence[str | os.PathLike], stars: Sequence[int], rules: _Rules
) -> list[GivenStars]:
    """Write stars into sidecars; a photo whose stars cannot be written is refused alone."""
    sidecars = [sidecar_of(path, rules.naming) for path in paths]
    if not rules.dry_run:
        for folder in set(map(os.path.dirname, sidecars)):
            remove_partials(folder)
    n_photos = Counter(sidecars)
    given = []
    rows = zip(paths, sidecars, stars, strict=True)
    for path, sidecar, each in tqdm(rows, "stars", len(sidecars), unit="photo", delay=1):
        one = GivenStars(os.fspath(path), sidecar, each, "refused")
        try:
            if n_photos[sidecar] > 1:
                raise InputError(f"{sidecar}: is the sidecar of several photos; use {SIDECARS[0]}")
            given.append(_rate(one, rules))
        except Shortage:  # the others would fare no better
            raise
        except InputError as error:
            given.append(replace(one, reason=str(error)))
    return given


def _rate(one: GivenStars, rules: _Rules) -> GivenStars:
    """What becomes of one photo's stars."""
    n_tries = 0
    while True:
        # Before anything is decided: what is written later than this begins it anew.
        packet = read_sidecar(one.sidecar)
        other = packet and belongs_to_another(packet, one.photo)
        if other:
            raise InputError(f"{one.sidecar}: is the {other} file's; use {SIDECARS[0]}")
        rating = None if rules.overwrite else find_rating(one.photo)
        if rating and rating.stars and rating.stars not in rules.ignore_stars:
            if rules.by_person and rating.stars == one.stars:
                return replace(one, outcome="unchanged")
            rated = "rejected" if rating.stars == REJECTED else f"rated {rating.stars:g}"
            return replace(
                one, outcome="kept", reason=f"{rated} by a person", initial=rating.is_initial
            )
        try:
            written = put_stars(
                one.sidecar, packet, one.stars, by_person=rules.by_person, dry_run=rules.dry_run
            )
            return replace(one, outcome="written" if written else "unchanged")
        except WrittenMeanwhile:
            n_tries += 1
            if n_tries == _MOST_TRIES:
                raise
