"""What decodes photos on a device, with Pillow alone: the README's code, which the check runs."""

from __future__ import annotations

import contextlib
import io
import os

import numpy as np
from PIL import Image, ImageCms, ImageOps


def open_photo(path: str | os.PathLike, size: int) -> Image.Image:
    """A photo as viewers show it, upright, in sRGB, over white, for a scorer of size × size."""
    image: Image.Image = Image.open(path)
    image.draft(None, (2 * size, 2 * size))  # a large JPEG at a fraction of its scale
    image = ImageOps.exif_transpose(image)
    profile = io.BytesIO(image.info.get("icc_profile", b""))
    if image.mode.startswith("I"):  # grey of 16 bits
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    alpha = image.convert("RGBA").getchannel("A")
    described = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    opaque = image.convert(described)
    with contextlib.suppress(ImageCms.PyCMSError):  # there is no profile, or a broken one
        srgb = ImageCms.createProfile("sRGB")
        opaque = ImageCms.buildTransform(profile, srgb, described, "RGB").apply(opaque)
    paper = Image.new("RGB", image.size, "white")
    paper.paste(opaque.convert("RGB"), mask=alpha)
    return paper
