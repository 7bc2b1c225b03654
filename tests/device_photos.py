"""Photos of the kinds that a device meets, each of another scene."""

from pathlib import Path

import numpy as np
import tifffile
from photo_corpus import GREY_PROFILES, RGB_PROFILES, SRGB_PROFILE
from PIL import Image

ORIENTATION = 0x0112


def make_device_photos(samples, folder):
    """Save sample photos with profiles, alpha, 16 bits, in grey, turned; and a large one.

    Returns
    -------
    list of str
        Their paths.
    """
    folder = Path(folder)
    scenes = map(Image.open, sorted(Path(samples).glob("*.jpg")))
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    for kind, profile in (RGB_PROFILES | {"broken": b"none", "none": None}).items():
        next(scenes).save(folder / f"{kind}.jpg", quality=95, icc_profile=profile, exif=turned)
        next(scenes).save(folder / f"{kind}.png", icc_profile=profile)
        transparent = next(scenes).convert("RGB")
        transparent.putalpha(_ramp(transparent.size))
        transparent.save(folder / f"{kind}, alpha.png", icc_profile=profile)
        transparent.quantize(128).save(folder / f"{kind}, palette.png", icc_profile=profile)
        tifffile.imwrite(
            folder / f"{kind}, 16 bits.tif",
            np.asarray(next(scenes).convert("RGB")).astype(np.uint16) * 257,
            photometric="rgb",
            iccprofile=profile,
        )
    for kind, profile in (GREY_PROFILES | {"none": None}).items():
        grey = next(scenes).convert("L")
        grey.save(folder / f"grey, {kind}.jpg", icc_profile=profile)
        sixteen = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        sixteen.save(folder / f"grey, {kind}, 16 bits.png", icc_profile=profile)
        grey.putalpha(_ramp(grey.size))
        grey.save(folder / f"grey, {kind}, alpha.png", icc_profile=profile)
    next(scenes).convert("CMYK").save(folder / "cmyk.jpg")
    next(scenes).convert("1").save(folder / "black and white.png")
    large = next(scenes).convert("RGB").resize((1500, 1000), Image.Resampling.BICUBIC)
    large.save(folder / "large.jpg", icc_profile=SRGB_PROFILE)
    return [str(path) for path in sorted(folder.iterdir())]


def _ramp(size):
    return Image.linear_gradient("L").resize(size)
