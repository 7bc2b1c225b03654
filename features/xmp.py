"""The rating that a person gave a photo, wherever a program keeps it; decaf's stars in sidecars."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from features.albums import raw_companions
from features.embedded import MAX_XMP_BYTES, read_embedded
from features.errors import InputError
from features.files import check_replaceable
from features.replacing import replace_file
from features.xmp_packet import EMPTY_PACKET, Packet, with_rating, with_stars

# What the sidecar of photo.jpg is called: by darktable, and digiKam by default; by Lightroom.
SIDECARS = ("photo.jpg.xmp", "photo.xmp")


@dataclass(frozen=True)
class FoundRating:
    """A rating that a person gave.

    Attributes
    ----------
    stars : float
        −1 rejected, 0 unrated, else up to 5.
    is_of_darktable : bool
        Whether it lies in what darktable wrote, which gives one star by itself.
    """

    stars: float
    is_of_darktable: bool = False

    @property
    def is_initial(self) -> bool:
        """Whether it is the one star that darktable gives every new photo."""
        return self.is_of_darktable and self.stars == 1


def find_rating(path: str | os.PathLike) -> FoundRating | None:
    """Find the rating that a person gave a photo.

    The first of these that holds one decides: the sidecar ``photo.jpg.xmp``, the sidecar
    ``photo.xmp`` where it does not say that it belongs to another file, the XMP in the photo
    itself, its EXIF data. Where all that is found is "unrated", the raw file that is one photo with
    it is looked at in the same way. Ratings that decaf wrote are passed over.

    Parameters
    ----------
    path : path-like
        Of the photo.

    Returns
    -------
    FoundRating or None
        None where there is no rating.

    Raises
    ------
    InputError
        If XMP cannot be read, or the rating in it is none.
    """
    found = _find(path)
    if found is None or not found.stars:
        ratings = map(_find, raw_companions(path))
        return next((rating for rating in ratings if rating is not None), found)
    return found


def read_rating(path: str | os.PathLike) -> float | None:
    """Read the rating that a person gave a photo, as `find_rating` finds it.

    Parameters
    ----------
    path : path-like
        Of the photo.

    Returns
    -------
    float or None
        −1 rejected, 0 unrated, else up to 5 stars; None where there is no rating.

    Raises
    ------
    InputError
        If XMP cannot be read, or the rating in it is none.
    """
    found = find_rating(path)
    return None if found is None else found.stars


def write_rating(sidecar: str | os.PathLike, stars: int, *, dry_run: bool = False) -> bool:
    """Write stars of decaf's into a sidecar, as `put_stars` does into one that was read before."""
    return put_stars(sidecar, read_sidecar(sidecar), stars, dry_run=dry_run)


def put_stars(
    sidecar: str | os.PathLike,
    packet: Packet | None,
    stars: int,
    *,
    by_person: bool = False,
    dry_run: bool = False,
) -> bool:
    """Write stars into a sidecar, decaf's or a person's, and leave every other byte as it is.

    The sidecar is replaced at once, so that it is never half written, and only if no other program
    has written it since it was read. It keeps its owner, group, mode and extended attributes.

    Parameters
    ----------
    sidecar : path-like
        Made where there is none.
    packet : Packet or None
        What `read_sidecar` has read of it.
    stars : int
        1 to 5; of a person −1, too, which is rejected.
    by_person : bool
        Whether they are a person's, whom nothing overrules unasked.
    dry_run : bool
        Do everything but write.

    Returns
    -------
    bool
        False where the sidecar holds these very stars already.

    Raises
    ------
    WrittenMeanwhile
        If another program has written the sidecar since it was read.
    InputError
        If the sidecar cannot be written, is a link to nothing or out of its folder, or has further
        names.
    """
    _refuse_links(sidecar)
    new = packet or Packet(EMPTY_PACKET, sidecar)
    if new.is_ours != by_person and new.rating == stars:
        return False
    edited = with_rating(new, stars) if by_person else with_stars(new, stars)
    if dry_run:
        check_replaceable(sidecar)
    else:
        replace_file(sidecar, None if packet is None else packet.data, edited)
    return True


def read_sidecar(sidecar: str | os.PathLike) -> Packet | None:
    """Read a sidecar.

    Parameters
    ----------
    sidecar : path-like

    Returns
    -------
    Packet or None
        None where there is no sidecar.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        status = os.stat(sidecar)
        # A FIFO or a device would keep its reader waiting.
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{sidecar}: is not a regular file; move it away")
        if status.st_size > MAX_XMP_BYTES:
            raise InputError(f"{sidecar}: {status.st_size:,} bytes, more than {MAX_XMP_BYTES:,}")
        with open(sidecar, "rb") as file:
            return Packet(file.read(MAX_XMP_BYTES), sidecar)
    except InputError:
        raise
    # No file has a name with a NUL.
    except ValueError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise InputError(f"{sidecar}: cannot be read ({error.strerror})") from error


def holds_stars_alone(sidecar: str | os.PathLike) -> bool:
    """Tell whether a sidecar is as `write_rating` makes it, with nothing of a person's in it.

    Parameters
    ----------
    sidecar : path-like
        It must be there.

    Returns
    -------
    bool
    """
    made = (with_stars(Packet(EMPTY_PACKET, sidecar), stars) for stars in range(1, 6))
    with open(sidecar, "rb") as file:
        return file.read(MAX_XMP_BYTES) in made


def sidecar_of(path: str | os.PathLike, naming: str = SIDECARS[0]) -> str:
    """The path of a photo's sidecar.

    Parameters
    ----------
    path : path-like
        Of the photo.
    naming : {"photo.jpg.xmp", "photo.xmp"}
        What sidecars are called.

    Returns
    -------
    str
        Of the one that is there, also where its suffix is in upper case, or its name in another
        normal form of Unicode than the photo's; else of the one that would be made.

    Examples
    --------
    >>> sidecar_of("album/a.jpg"), sidecar_of("album/a.jpg", "photo.xmp")
    ('album/a.jpg.xmp', 'album/a.xmp')
    """
    path = os.fspath(path)
    stem = path if naming == SIDECARS[0] else os.path.splitext(path)[0]
    spellings = (spelt + suffix for spelt in spellings_of(stem) for suffix in (".xmp", ".XMP"))
    return next(filter(os.path.lexists, spellings), f"{stem}.xmp")


def spellings_of(path: str) -> list[str]:
    """A path with its last name in each of Unicode's normal forms; as it is first.

    macOS takes names apart (NFD) that other systems and cameras keep composed (NFC).

    Parameters
    ----------
    path : str

    Returns
    -------
    list of str
        Only itself, where the name is ASCII.
    """
    folder, name = os.path.split(path)
    if name.isascii():
        return [path]
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return list(dict.fromkeys([path, *(os.path.join(folder, form) for form in forms)]))


def belongs_to_another(packet: Packet, path: str | os.PathLike) -> str | None:
    """Tell whether a sidecar says that it is another file's, as Lightroom's of raw files do.

    Parameters
    ----------
    packet : Packet
        The sidecar's.
    path : path-like
        Of the photo.

    Returns
    -------
    str or None
        The suffix of that file, such as ".CR2".
    """
    own = os.path.splitext(path)[1].removeprefix(".")
    is_other = packet.extension and packet.extension.lower() != own.lower()
    return f".{packet.extension}" if is_other else None


def _find(path):
    for packet in _packets(path):
        if packet.rating is not None and not packet.is_ours:
            return FoundRating(packet.rating, packet.is_of_darktable)
    rating = read_embedded(path).rating
    return None if rating is None else FoundRating(rating)


def _packets(path: str | os.PathLike) -> Iterator[Packet]:
    """Each packet of XMP that is a photo's."""
    for naming in SIDECARS:
        packet = read_sidecar(sidecar_of(path, naming))
        if packet is not None and not belongs_to_another(packet, path):
            yield packet
    embedded = read_embedded(path).xmp
    if embedded is not None:
        yield Packet(embedded, path)


def _refuse_links(sidecar: str | os.PathLike) -> None:
    """Refuse a sidecar that is not one file in one place."""
    if os.path.islink(sidecar):
        folder, real = map(os.path.realpath, (os.path.dirname(sidecar) or ".", sidecar))
        if not os.path.exists(real):
            raise InputError(f"{sidecar}: is a link to {real}, which is not there; remove the link")
        if os.path.commonpath([folder, real]) != folder:
            raise InputError(
                f"{sidecar}: is a link out of its folder, to {real}, which is left as it is; put "
                "the file itself in the place of the link"
            )
    try:
        n_names = os.stat(sidecar).st_nlink
    except (OSError, ValueError):
        return
    if n_names > 1:
        raise InputError(
            f"{sidecar}: is one file with {n_names - 1:,} elsewhere (hard links), and they would "
            "part; put a copy in its place"
        )
