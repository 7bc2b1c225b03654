"""XMP to read, XMP that was written as Exiv2 reads it, and refusals of both."""

from pathlib import Path

import pyexiv2
import pytest

from features.errors import InputError


def packet(properties, namespaces="", inner=""):
    """XMP with these attributes and elements in its one description."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" {namespaces} {properties}>{inner}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def sidecar_of(photo, text=None):
    path = Path(f"{photo}.xmp")
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def properties_in(path):
    """All properties of a sidecar, read by Exiv2."""
    with pyexiv2.ImageData(Path(path).read_bytes()) as sidecar:
        return sidecar.read_xmp()


def refusal(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
