"""Star ratings in XMP: read from sidecars and photos, written into sidecars.

`xmp:Rating` is −1 (rejected), 0 (unrated) or up to 5 stars (ISO 16684-1:2019, 8.4). Beside what it
writes decaf puts the same number into a property of its own: so long as the two are equal, the
rating is decaf's, and when they differ, a person has changed it.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from PIL import Image

from features.errors import InputError
from features.files import check_replaceable, write_file

# What the sidecar of photo.jpg is called: by darktable, and digiKam by default; by Lightroom.
SIDECARS = ("photo.jpg.xmp", "photo.xmp")

REJECTED = -1

# darktable's longest histories fill a few MB.
MAX_XMP_BYTES = 2**26


def read_rating(path: str | os.PathLike) -> float | None:
    """Read the rating that a person gave a photo.

    The first of these that holds one decides: the sidecar ``photo.jpg.xmp``, the sidecar
    ``photo.xmp``, the XMP in a JPEG, PNG, WebP or TIFF itself. Ratings that decaf wrote are passed
    over.

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
    for source, data in _packets(path):
        packet = _Packet(data, source)
        if packet.rating is not None and not packet.is_ours:
            return packet.rating
    return None


def write_rating(sidecar: str | os.PathLike, stars: int, *, dry_run: bool = False) -> bool:
    """Write stars of decaf's into a sidecar, and leave every other byte of it as it is.

    The sidecar is replaced at once, so that it is never half written, and keeps its mode.

    Parameters
    ----------
    sidecar : path-like
        Made where there is none.
    stars : int
        1 to 5.
    dry_run : bool
        Do everything but write.

    Returns
    -------
    bool
        False where the sidecar holds these very stars of decaf's already.

    Raises
    ------
    InputError
        If the sidecar cannot be read or written.
    """
    data = _read_sidecar(sidecar)
    packet = _Packet(_EMPTY_SIDECAR if data is None else data, sidecar)
    if packet.is_ours and packet.rating == stars:
        return False
    edited = _edit(packet, stars)
    if dry_run:
        check_replaceable(sidecar)
    else:
        write_file(sidecar, edited)
    return True


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

    Examples
    --------
    >>> sidecar_of("album/a.jpg"), sidecar_of("album/a.jpg", "photo.xmp")
    ('album/a.jpg.xmp', 'album/a.xmp')
    """
    path = os.fspath(path)
    return f"{path if naming == SIDECARS[0] else os.path.splitext(path)[0]}.xmp"


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_DECAF = "urn:decaf:xmp:"
# Names as expat gives them.
_TOP_LEVEL = [f"{_RDF} RDF", f"{_RDF} Description"]
_ABOUT = f"{_RDF} about"
_RATING = f"{_XMP} Rating"
_MARK = f"{_DECAF} Rating"

_EMPTY_SIDECAR = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
 </rdf:RDF>
</x:xmpmeta>
""".encode()

# The start tag of an element in a well-formed document, and the attributes in it.
_START_TAG = re.compile(rb"""<([^\s/>]+)(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(rb"""\s([^\s=]+)\s*=\s*(["'])(.*?)\2""", re.DOTALL)

# The formats in which Pillow finds XMP, of those that are read.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")


def _packets(path: str | os.PathLike) -> Iterator[tuple[str, bytes]]:
    """Yield the file and the bytes of each packet of XMP that a photo has."""
    for naming in SIDECARS:
        sidecar = sidecar_of(path, naming)
        data = _read_sidecar(sidecar)
        if data is not None:
            yield sidecar, data
    data = _read_embedded(os.fspath(path))
    if data is not None:
        yield os.fspath(path), data


def _read_sidecar(path: str | os.PathLike) -> bytes | None:
    """The bytes of a sidecar; None where there is none."""
    try:
        status = os.stat(path)
        # A FIFO or a device would keep its reader waiting.
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is not a regular file; move it away")
        if status.st_size > MAX_XMP_BYTES:
            raise InputError(f"{path}: {status.st_size:,} bytes, more than {MAX_XMP_BYTES:,}")
        with open(path, "rb") as file:
            return file.read(MAX_XMP_BYTES)
    except InputError:
        raise
    # No file has a name with a NUL.
    except ValueError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _read_embedded(path: str) -> bytes | None:
    """The XMP in a photo; None where there is none, or where the photo cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as image:
            data = image.info.get("xmp")
    # Decoders raise whatever their format's code happens to raise on damaged bytes.
    except Exception:
        return None
    # A TIFF may keep a text or a number under the tag of XMP.
    return data.rstrip(b"\0") if data and isinstance(data, bytes) else None


@dataclass
class _Property:
    """A rating in a packet: the bytes where the element that it is, or is in, starts and ends.

    `attribute` is the name of the attribute that it is, else None.
    """

    text: str
    start: int
    attribute: bytes | None = None
    stop: int | None = None


class _Packet:
    """What a packet of XMP says of ratings, and where.

    Only top-level properties count: a montage's XMP holds that of its parts, too. A document type,
    where entities would be defined, is refused unread; XMP has none.

    Attributes
    ----------
    data : bytes
    source : path-like
        The file that it is from, for messages.
    properties : dict of str to list of _Property
        Those named `_RATING`, and those named `_MARK`.
    rating : float or None
    is_ours : bool
        Whether decaf wrote the rating.
    about : str
        What the packet calls the photo.
    end : int or None
        The byte where its properties have ended.
    """

    def __init__(self, data: bytes, source: str | os.PathLike) -> None:
        self.data = data
        self.source = source
        self.properties = {_RATING: [], _MARK: []}
        self.about = ""
        self.end = None
        self._path = []
        self._open = None
        self._parse()
        self.rating = self._number(_RATING)
        self.is_ours = self.rating is not None and self.rating == self._number(_MARK)

    def _parse(self):
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.namespace_prefixes = True
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.CharacterDataHandler = self._read
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            self._parser.Parse(self.data, True)
        except InputError:
            raise
        # Encodings that expat does not know raise LookupError or ValueError.
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise InputError(
                f"{self.source}: its XMP is damaged ({error}); rate it anew"
            ) from error

    def _start(self, name, attributes):
        if self._open:
            raise InputError(f"{self.source}: its rating is not a plain number; correct it")
        place = self._parser.CurrentByteIndex
        self._path.append(_key(name))
        if self._path[-3:-1] == _TOP_LEVEL and _key(name) in self.properties:
            self._open = _Property("", place)
            self.properties[_key(name)].append(self._open)
        elif self._path[-2:] == _TOP_LEVEL:
            for attribute, text in attributes.items():
                if _key(attribute) in self.properties:
                    qualified = f"{attribute.split(' ')[2]}:Rating".encode()
                    self.properties[_key(attribute)].append(_Property(text, place, qualified))
                elif _key(attribute) == _ABOUT:
                    self.about = self.about or text

    def _read(self, text):
        if self._open:
            self._open.text += text

    def _end(self, name):
        if self._open:
            self._open.stop = self._parser.CurrentByteIndex
            self._open = None
        if self._path.pop() == _TOP_LEVEL[0]:
            self.end = self._parser.CurrentByteIndex

    def _refuse_doctype(self, *_):
        raise InputError(f"{self.source}: its XMP holds a document type; take that out")

    def _number(self, key: str) -> float | None:
        """What the properties of a name say; None where there are none or they are empty."""
        texts = {each.text.strip() for each in self.properties[key]} - {""}
        if not texts:
            return None
        if len(texts) > 1:
            raise InputError(f"{self.source}: holds several ratings; remove all but one")
        (text,) = texts
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if number != REJECTED and not 0 <= number <= 5:
            raise InputError(
                f"{self.source}: its rating {text[:20]!r} is not -1 or 0 to 5; correct it"
            )
        return number


def _key(name: str) -> str:
    """A name without its prefix, which expat gives last."""
    return " ".join(name.split(" ")[:2])


def _edit(packet: _Packet, stars: int) -> bytes:
    """The bytes of a packet with these stars and decaf's mark in it."""
    data = packet.data
    if b"\0" in data[:4]:
        raise InputError(f"{packet.source}: is not UTF-8 text; save it as UTF-8")
    if packet.end is None or not data.startswith(b"</", packet.end):
        raise InputError(f"{packet.source}: holds no properties; remove it")
    edits = [
        _replacement(data, each, b"%d" % stars)
        for properties in packet.properties.values()
        for each in properties
    ]
    missing = [key for key, properties in packet.properties.items() if not properties]
    if missing:
        edits.append((packet.end, packet.end, _description(missing, packet.about, stars)))
    for start, stop, text in sorted(edits, reverse=True):
        data = data[:start] + text + data[stop:]
    return data


def _replacement(data: bytes, rating: _Property, number: bytes) -> tuple[int, int, bytes]:
    """Start, stop and new text of the bytes that a property's value takes."""
    tag = _START_TAG.match(data, rating.start)
    if rating.attribute:
        attributes = _ATTRIBUTE.finditer(data, tag.end(1), tag.end())
        value = next(each for each in attributes if each[1] == rating.attribute)
        return *value.span(3), number
    if tag[0].endswith(b"/>"):
        return tag.end() - 2, tag.end(), b">%b</%b>" % (number, tag[1])
    return tag.end(), rating.stop, number


def _description(keys: list[str], about: str, stars: int) -> bytes:
    """A description with properties of these names; it declares what it needs itself."""
    prefixes = {_RATING: "xmp", _MARK: "decaf"}
    ratings = "".join(
        f'\n    xmlns:{prefixes[key]}="{key.split()[0]}" {prefixes[key]}:Rating="{stars}"'
        for key in keys
    )
    text = f' <rdf:Description xmlns:rdf="{_RDF}" rdf:about={quoteattr(about)}{ratings}/>\n '
    return text.encode("ascii", "xmlcharrefreplace")
