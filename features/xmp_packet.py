"""A packet of XMP: what it says of ratings, and the same bytes with other stars in it.

`xmp:Rating` is −1 (rejected), 0 (unrated) or up to 5 stars (ISO 16684-1:2019, 8.4). Beside what it
writes decaf puts the same number into a property of its own: so long as the two are equal, the
rating is decaf's, and when they differ, a person has changed it.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from features.errors import InputError

REJECTED = -1
# Who picks a photo finds it good, and does not say how good.
PICKED = 4

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
# Exiv2 ends every namespace in "/", and would make another one of it.
_DECAF = "urn:decaf:xmp:/"
# Names as expat gives them.
_TOP_LEVEL = [f"{_RDF} RDF", f"{_RDF} Description"]
_ABOUT = f"{_RDF} about"
_RATING = f"{_XMP} Rating"
_MARK = f"{_DECAF} Rating"
# digiKam: 1 rejected, 2 pending, 3 accepted; Lightroom: -1 rejected, 1 picked.
_FLAGS = {
    "http://www.digikam.org/ns/1.0/ PickLabel": {"1": REJECTED, "3": PICKED},
    "http://ns.adobe.com/xmp/1.0/DynamicMedia/ pick": {"-1": REJECTED, "1": PICKED},
}
# Which file a sidecar called photo.xmp belongs to: Lightroom, Camera Raw.
_EXTENSION = "http://ns.adobe.com/photoshop/1.0/ SidecarForExtension"
_DARKTABLE = "http://darktable.sf.net/"

EMPTY_PACKET = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
 </rdf:RDF>
</x:xmpmeta>
""".encode()

# The start tag of an element in a well-formed document, and the attributes in it.
_START_TAG = re.compile(rb"""<([^\s/>]+)(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(rb"""\s([^\s=]+)\s*=\s*(["'])(.*?)\2""", re.DOTALL)


@dataclass
class _Property:
    """A rating in a packet: the bytes where the element that it is, or is in, starts and ends.

    `attribute` is the name of the attribute that it is, else None.
    """

    text: str
    start: int
    attribute: bytes | None = None
    stop: int | None = None


class Packet:
    """What a packet of XMP says of ratings, and where.

    Only top-level properties count: a montage's XMP holds that of its parts, too. A document type,
    where entities would be defined, is refused unread; XMP has none.

    Attributes
    ----------
    data : bytes
    source : path-like
        The file that it is from, for messages.
    rating : float or None
        −1 rejected, 0 unrated, else up to 5 stars. A flag counts as `REJECTED`, or as `PICKED`
        where a person gave no stars.
    is_ours : bool
        Whether decaf wrote the rating.
    extension : str
        That of the file that a sidecar says to belong to, such as "CR2"; else empty.
    is_of_darktable : bool
    about : str
        What the packet calls the photo.
    end : int or None
        The byte where its properties have ended.
    """

    def __init__(self, data: bytes, source: str | os.PathLike) -> None:
        self.data = data
        self.source = source
        self.about = ""
        self.end: int | None = None
        self.is_of_darktable = False
        self._properties: dict[str, list[_Property]] = {
            key: [] for key in (_RATING, _MARK, _EXTENSION, *_FLAGS)
        }
        self._path: list[str] = []
        self._open: _Property | None = None
        self._texts: list[str] = []
        self._parse()
        stars, flag = self._number(_RATING), self._flag()
        self.is_ours = stars is not None and stars == self._number(_MARK)
        if flag == REJECTED or (flag is not None and (self.is_ours or not stars)):
            stars, self.is_ours = flag, False
        self.rating = stars
        self.extension = self._text(_EXTENSION).removeprefix(".")

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
        self.is_of_darktable |= any(each.startswith(_DARKTABLE) for each in (name, *attributes))
        self._path.append(_key(name))
        if self._path[-3:-1] == _TOP_LEVEL and _key(name) in self._properties:
            self._open = _Property("", place)
            self._properties[_key(name)].append(self._open)
        elif self._path[-2:] == _TOP_LEVEL:
            for attribute, text in attributes.items():
                if _key(attribute) in self._properties:
                    _, local, prefix = attribute.split(" ")
                    qualified = f"{prefix}:{local}".encode()
                    self._properties[_key(attribute)].append(_Property(text, place, qualified))
                elif _key(attribute) == _ABOUT:
                    self.about = self.about or text

    def _read(self, text):
        if self._open:
            self._texts.append(text)

    def _end(self, name):
        if self._open:
            self._open.text = "".join(self._texts)
            self._open.stop = self._parser.CurrentByteIndex
            self._open = None
            self._texts.clear()
        if self._path.pop() == _TOP_LEVEL[0]:
            self.end = self._parser.CurrentByteIndex

    def _refuse_doctype(self, *_):
        raise InputError(f"{self.source}: its XMP holds a document type; take that out")

    def _text(self, key: str) -> str:
        """What the first property of a name says."""
        return next((each.text.strip() for each in self._properties[key]), "")

    def _flag(self) -> int | None:
        flags = [values.get(self._text(key)) for key, values in _FLAGS.items()]
        return min((flag for flag in flags if flag is not None), default=None)

    def _number(self, key: str) -> float | None:
        """What the properties of a name say; None where there are none or they are empty."""
        texts = {each.text.strip() for each in self._properties[key]} - {""}
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


def with_stars(packet: Packet, stars: int) -> bytes:
    """Put stars of decaf's into a packet, and leave every other byte as it is.

    Parameters
    ----------
    packet : Packet
    stars : int
        1 to 5.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If it is not UTF-8, or has no place for properties.
    """
    return _with_numbers(packet, {_RATING: stars, _MARK: stars})


def with_rating(packet: Packet, stars: int) -> bytes:
    """Put a person's rating into a packet, as `with_stars` does decaf's.

    Parameters
    ----------
    packet : Packet
    stars : int
        `REJECTED`, or 1 to 5.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If it is not UTF-8, or has no place for properties.
    """
    # A mark that decaf has left there must not say that these stars are its own.
    marks = {_MARK: 0} if packet._properties[_MARK] else {}
    return _with_numbers(packet, {_RATING: stars} | marks)


def _with_numbers(packet: Packet, numbers: dict[str, int]) -> bytes:
    """A packet in which properties say other numbers."""
    data = packet.data
    if b"\0" in data[:4]:
        raise InputError(f"{packet.source}: is not UTF-8 text; save it as UTF-8")
    if packet.end is None or not data.startswith(b"</", packet.end):
        raise InputError(f"{packet.source}: holds no properties; remove it")
    edits = [
        _replacement(data, each, b"%d" % number)
        for key, number in numbers.items()
        for each in packet._properties[key]
    ]
    missing = {key: number for key, number in numbers.items() if not packet._properties[key]}
    if missing:
        edits.append((packet.end, packet.end, _description(missing, packet.about)))
    pieces, place = [], 0
    for start, stop, text in sorted(edits):
        pieces += [data[place:start], text]
        place = stop
    return b"".join([*pieces, data[place:]])


def _replacement(data: bytes, rating: _Property, number: bytes) -> tuple[int, int, bytes]:
    """Start, stop and new text of the bytes that a property's value takes."""
    tag = _START_TAG.match(data, rating.start)
    assert tag is not None  # expat has read it there
    if rating.attribute:
        attributes = _ATTRIBUTE.finditer(data, tag.end(1), tag.end())
        value = next(each for each in attributes if each[1] == rating.attribute)
        return *value.span(3), number
    if tag[0].endswith(b"/>"):
        return tag.end() - 2, tag.end(), b">%b</%b>" % (number, tag[1])
    assert rating.stop is not None
    return tag.end(), rating.stop, number


def _description(numbers: dict[str, int], about: str) -> bytes:
    """A description with these properties; it declares what it needs itself."""
    prefixes = {_RATING: "xmp", _MARK: "decaf"}
    ratings = "".join(
        f'\n    xmlns:{prefixes[key]}="{key.split()[0]}" {prefixes[key]}:Rating="{number}"'
        for key, number in numbers.items()
    )
    text = f' <rdf:Description xmlns:rdf="{_RDF}" rdf:about={quoteattr(about)}{ratings}/>\n '
    return text.encode("ascii", "xmlcharrefreplace")
