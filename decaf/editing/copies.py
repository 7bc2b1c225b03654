"""Edited copies of photos, and sidecars that tell Camera Raw of their crops."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import quoteattr

from PIL import Image
from tqdm import tqdm

from decaf.editing.edits import Edit, frame_of
from decaf.editing.lasting_exif import read_lasting_exif
from decaf.editing.suggestions import Suggestion
from features.decoding import ORIENTATION_TAG, open_image
from features.errors import InputError
from features.files import write_file, writing
from features.photos import PhotoError, read_photo
from features.raw import is_raw

QUALITY = 95
# In the folder of copies; not beside them: darktable takes a.xmp for a sidecar of the copy a.jpg,
# too, and would crop that once more.
SIDECAR_FOLDER = "sidecars"
# Of those that Pillow reads, the formats whose pixels are stored as their orientation says.
_ORIENTED = ("JPEG", "MPO", "TIFF", "PNG", "WEBP")
# By how much a raw file's preview of the whole frame may have another shape: some end in blocks.
_SHAPE_TOLERANCE = 0.01

# Adobe, XMP Specification Part 2, 3.2, and as Lightroom and Camera Raw write them.
_SIDECAR = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    photoshop:SidecarForExtension={extension}
    crs:HasCrop="True"
    crs:CropLeft="{left:.6f}"
    crs:CropTop="{top:.6f}"
    crs:CropRight="{right:.6f}"
    crs:CropBottom="{bottom:.6f}"
    crs:CropAngle="0"
    crs:CropConstrainToWarp="0"/>
 </rdf:RDF>
</x:xmpmeta>
"""


@dataclass(frozen=True)
class Copied:
    """What `write_copies` has written.

    Attributes
    ----------
    photos, sidecars : int
        How many.
    failed : tuple of (str, str)
        Name of each photo that could not be read, and why.
    """

    photos: int
    sidecars: int
    failed: tuple[tuple[str, str], ...]


def write_copies(
    suggestions: Iterable[Suggestion], folder: str | os.PathLike, *, progress: bool = True
) -> Copied:
    """Write an edited copy of each photo for which there are edits, and sidecars of crops.

    Copies keep the folders of their album. What another call has written of the same is left as it
    is, so that an interrupted call can be begun again.

    Parameters
    ----------
    suggestions : iterable of Suggestion
    folder : path-like
        Is made if it is not there.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Copied

    Raises
    ------
    InputError
        Copies would come to lie among the photos, when none is written; or one cannot be written,
        such as where another file has its name.
    """
    folder = Path(folder)
    edited = [suggestion for suggestion in suggestions if suggestion.steps]
    copies = copy_names([suggestion.name for suggestion in edited])
    sidecars = _free_names([PurePosixPath(each.name).with_suffix(".xmp") for each in edited])
    _check_folders(edited, [folder / name for name in copies])
    failed, n_sidecars = [], 0
    for suggestion, copy, sidecar in tqdm(
        list(zip(edited, copies, sidecars)), "copies", unit="photo", disable=not progress
    ):
        try:
            write_copy(suggestion.path, suggestion.edits, folder / copy)
            n_sidecars += write_sidecar(
                suggestion.path, suggestion.edits, folder / SIDECAR_FOLDER / sidecar
            )
        except PhotoError as error:
            failed.append((suggestion.name, str(error)))
    return Copied(len(edited) - len(failed), n_sidecars, tuple(failed))


def write_copy(path: str | os.PathLike, edits: Iterable[Edit], output: str | os.PathLike) -> None:
    """Write an edited copy of a photo, at full size, as JPEG in sRGB.

    It is upright. Of the photo's EXIF data it keeps what is true of it, too: who took it, when,
    where and how (`decaf.editing.lasting_exif`); and no other metadata. Of a raw file it is the
    embedded preview, or LibRaw's development.

    Parameters
    ----------
    path : path-like
        Of the photo.
    edits : iterable of Edit
        One after the other.
    output : path-like
        Of the copy; its folder is made if it is not there.

    Raises
    ------
    PhotoError
        The photo cannot be read.
    InputError
        It cannot be written; or another file is there, such as the photo itself, which is never
        replaced.
    """
    rgb, _ = read_photo(path)
    for edit in edits:
        rgb = edit.apply(rgb)
    jpeg = io.BytesIO()
    with writing(output):
        Image.fromarray(rgb).save(
            jpeg, "JPEG", quality=QUALITY, subsampling=0, exif=read_lasting_exif(path)
        )
    _write_new(Path(output), jpeg.getvalue())


def write_sidecar(
    path: str | os.PathLike, edits: Sequence[Edit], output: str | os.PathLike
) -> bool:
    """Write a sidecar that tells a photo's crop as Camera Raw does, where that is the same crop.

    Camera Raw counts a crop from the corner at which the stored pixels begin, so a photo that is
    shown turned gets none. Nor does one that was straightened: the frame that Camera Raw fits into
    a turned photo is another one. Its exposure is not told: Camera Raw multiplies the light of the
    scene and rolls highlights off before it gives the photo its tones, our edits multiply the light
    of the finished photo; the same number is another picture.

    Parameters
    ----------
    path : path-like
        Of the photo.
    edits : sequence of Edit
    output : path-like
        Of the sidecar; its folder is made if it is not there.

    Returns
    -------
    bool
        Whether there is a crop to tell; else nothing is written.

    Raises
    ------
    InputError
        It cannot be written; or another file is there, which is never replaced.
    """
    kinds = {edit.kind for edit in edits}
    if "crop" not in kinds or "straighten" in kinds or not _is_stored_as_seen(path):
        return False
    # Without turns the photo's own shape does not matter.
    left, top, right, bottom = frame_of(edits, 1, 1)
    extension = quoteattr(os.path.splitext(path)[1].removeprefix(".").upper())
    values = {"left": left, "top": top, "right": right, "bottom": bottom, "extension": extension}
    _write_new(Path(output), _SIDECAR.format(**values).encode("utf-8", "replace"))
    return True


def copy_names(names: Iterable[str]) -> list[str]:
    """Names of copies, relative to their folder; no two are the same on any file system.

    Parameters
    ----------
    names : iterable of str
        Of photos, relative to their album.

    Returns
    -------
    list of str

    Examples
    --------
    >>> copy_names(["a/b.JPG", "a/b.png", "c.jpeg"])
    ['a/b.JPG', 'a/b.png.jpg', 'c.jpeg']
    """
    is_jpeg = (".jpg", ".jpeg")
    return _free_names(
        PurePosixPath(name if name.lower().endswith(is_jpeg) else f"{name}.jpg") for name in names
    )


def _free_names(names: Iterable[PurePosixPath]) -> list[str]:
    """The names, of which those that another one has get a number."""
    free: dict[str, str] = {}
    for name in names:
        numbered = (name.with_stem(f"{name.stem} {number}") for number in count(2))
        new = next(str(n) for n in chain([name], numbered) if str(n).casefold() not in free)
        free[new.casefold()] = new
    return list(free.values())


def _check_folders(suggestions: list[Suggestion], copies: list[Path]) -> None:
    """Refuse copies among the photos, also where a link leads there."""
    own = {os.path.realpath(os.path.dirname(suggestion.path)) for suggestion in suggestions}
    for copy in copies:
        if os.path.realpath(copy.parent) in own:
            raise InputError(f"{copy.parent}: is the photos' own folder; choose another one")


def _write_new(path: Path, content: bytes) -> None:
    """Write a file, unless these very bytes are there; nothing else is replaced."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            if path.is_file() and path.read_bytes() == content:
                return
            raise InputError(f"{path}: is there already; choose another folder")
    write_file(path, content, force=False)


def _is_stored_as_seen(path: str | os.PathLike) -> bool:
    """Whether a photo's file holds the whole frame that is seen, upright."""
    # Readers raise whatever their format's code happens to raise on damaged bytes.
    try:
        data = Path(path).read_bytes()
        if is_raw(data, os.path.splitext(path)[1]):
            return _is_raw_frame(path, data)
        with open_image(io.BytesIO(data)) as image:
            turned = range(2, 9)
            return image.format in _ORIENTED and image.getexif().get(ORIENTATION_TAG) not in turned
    except Exception:
        return False


def _is_raw_frame(path: str | os.PathLike, data: bytes) -> bool:
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as raw:
        size = raw.sizes
    height, width = read_photo(path)[0].shape[:2]
    shapes = width / height, size.width / size.height
    return size.flip == 0 and max(shapes) < (1 + _SHAPE_TOLERANCE) * min(shapes)
