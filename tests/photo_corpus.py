"""Photos of one scene in every mode, depth, layout, profile and format, and who shows them.

`make_corpus` writes files, `shown_by_others` tells what ImageMagick and libvips make of them.
"""

import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms

HEIGHT, WIDTH = 32, 48
_ROW, _COLUMN = np.mgrid[:HEIGHT, :WIDTH]
RGB = np.stack(
    [
        _COLUMN * 255 // (WIDTH - 1),
        _ROW * 255 // (HEIGHT - 1),
        (_ROW + _COLUMN) * 255 // (HEIGHT + WIDTH - 2),
    ],
    axis=-1,
).astype(np.uint8)
GREY = RGB[..., 0]
ALPHA = (255 - _ROW * 200 // (HEIGHT - 1)).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
CMYK = np.dstack([255 - RGB, np.zeros_like(GREY)])
PREMULTIPLIED = np.dstack([(RGB.astype(int) * ALPHA[..., None] // 255).astype(np.uint8), ALPHA])

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Columns of red, green and blue adapted to D50, as published with the profiles.
_SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
_ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def make_profile(name, gamma, columns=None):
    """An ICC profile, version 2, of one gamma; of grey where there are no columns."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = name.encode() + b"\0"
    curve = b"curv\0\0\0\0" + (
        struct.pack(">I", 0) if gamma == 1 else struct.pack(">IH", 1, round(gamma * 256))
    )
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78),
        (b"wtpt", b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)),
    ]
    if columns is None:
        tags.append((b"kTRC", curve))
    else:
        for letter, column in zip(b"rgb", columns):
            tags += [
                (b"%cXYZ" % letter, b"XYZ \0\0\0\0" + fixed(*column)),
                (b"%cTRC" % letter, curve),
            ]
    table, values, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for signature, value in tags:
        value += b"\0" * (-len(value) % 4)
        table += signature + struct.pack(">II", start + len(values), len(value))
        values += value
    header = struct.pack(">I", start + len(values)) + b"test\2\x40\0\0mntr"
    header += (b"RGB " if columns else b"GRAY") + b"XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    return (header + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0") + table + values


RGB_PROFILES = {
    "srgb": SRGB_PROFILE,
    "linear called sRGB": make_profile("sRGB built-in, linear", 1, _SRGB),
    "adobe": make_profile("Adobe RGB (1998)", 2.2, _ADOBE),
    "p3": make_profile("Display P3", 2.2, _P3),
}
GREY_PROFILES = {
    "linear grey": make_profile("Linear sRGB grey", 1),
    "gamma 1.8": make_profile("Dot gain", 1.8),
}

_TYPES = {
    "8": lambda levels: levels,
    "16": lambda levels: levels.astype(np.uint16) * 257,
    "32": lambda levels: levels.astype(np.uint32) * 0x01010101,
    "signed 8": lambda levels: (levels // 2).astype(np.int8),
    "signed 16": lambda levels: levels.astype(np.int16) * 128,
    "float 16": lambda levels: (levels / 255).astype(np.float16),
    "float 32": lambda levels: (levels / 255).astype(np.float32),
    "float 64": lambda levels: levels / 255,
}
_LAYOUTS = {
    "strips": {},
    "big endian": {"byteorder": ">"},
    "deflate": {"compression": "zlib"},
    "tiles": {"tile": (16, 16)},
}


def make_corpus(folder):
    """Write the files.

    Returns
    -------
    dict of str to path
        By what each one is.
    """
    files = {}
    for number, (name, suffix, content) in enumerate([*_tiffs(), *_others(), *_magick(folder)]):
        files[name] = Path(folder) / f"{number:03}{suffix}"
        files[name].write_bytes(content)
    return files


def _tiff(levels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, levels, **options)
    return file.getvalue()


def _tiffs():
    for bits, convert in _TYPES.items():
        for layout, options in _LAYOUTS.items():
            for name, levels, photometric in (
                ("grey", GREY, "minisblack"),
                ("grey, white is zero", 255 - GREY, "miniswhite"),
                ("RGB", RGB, "rgb"),
                ("CMYK", CMYK, "separated"),
            ):
                yield (
                    f"TIFF {bits} {name} {layout}",
                    ".tif",
                    _tiff(convert(levels), photometric=photometric, **options),
                )
        for layout in ("strips", "deflate"):
            for name, levels, options in (
                ("RGB", RGB, {"photometric": "rgb"}),
                ("RGBA", RGBA, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
                ("CMYK", CMYK, {"photometric": "separated"}),
            ):
                planes = np.moveaxis(convert(levels), -1, 0)
                options = options | _LAYOUTS[layout] | {"planarconfig": "separate"}
                yield f"TIFF {bits} {name} planes {layout}", ".tif", _tiff(planes, **options)
        for kind, levels in (("unassalpha", RGBA), ("assocalpha", PREMULTIPLIED)):
            yield (
                f"TIFF {bits} RGB {kind}",
                ".tif",
                _tiff(convert(levels), photometric="rgb", extrasamples=[kind]),
            )
        yield (
            f"TIFF {bits} RGB and a channel",
            ".tif",
            _tiff(convert(RGBA), photometric="rgb", extrasamples=["unspecified"]),
        )
        yield (
            f"TIFF {bits} grey with alpha",
            ".tif",
            _tiff(
                convert(np.dstack([GREY, ALPHA])),
                photometric="minisblack",
                extrasamples=["unassalpha"],
            ),
        )
    for bits in ("8", "16"):
        for profile, content in RGB_PROFILES.items():
            levels = _TYPES[bits](RGB)
            tiff = _tiff(levels, photometric="rgb", iccprofile=content)
            yield f"TIFF {bits} RGB {profile}", ".tif", tiff
        for profile, content in GREY_PROFILES.items():
            for photometric, grey in (("minisblack", GREY), ("miniswhite", 255 - GREY)):
                tiff = _tiff(_TYPES[bits](grey), photometric=photometric, iccprofile=content)
                yield f"TIFF {bits} {photometric} {profile}", ".tif", tiff


def saved(image, kind, **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _others():
    pillow_heif.register_heif_opener()
    images = {
        "RGB": Image.fromarray(RGB),
        "RGBA": Image.fromarray(RGBA),
        "palette": Image.fromarray(RGB).quantize(64),
        "grey": Image.fromarray(GREY),
        "16-bit grey": Image.fromarray(GREY.astype(np.uint16) * 257),
        "grey with alpha": Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]),
        "black and white": Image.fromarray(GREY).convert("1"),
        "CMYK": Image.fromarray(RGB).convert("CMYK"),
    }
    formats = {
        "PNG": ({}, "RGB RGBA palette grey 16-bit-grey grey-with-alpha black-and-white"),
        "JPEG": ({"quality": 98, "subsampling": 0}, "RGB grey CMYK"),
        "WEBP": ({"lossless": True}, "RGB RGBA"),
        "GIF": ({}, "palette"),
        "BMP": ({}, "RGB grey"),
        "HEIF": ({"quality": -1, "chroma": 444}, "RGB"),
        "AVIF": ({"quality": 100, "subsampling": "4:4:4"}, "RGB"),
        "TIFF": ({"compression": "jpeg", "quality": 98}, "RGB grey"),
    }
    for kind, (options, modes) in formats.items():
        for mode in (name.replace("-", " ").replace("16 bit", "16-bit") for name in modes.split()):
            profiles = RGB_PROFILES | (GREY_PROFILES if "grey" in mode else {})
            profiles = {} if kind in ("GIF", "BMP", "TIFF") or mode == "CMYK" else profiles
            for profile, content in {"no profile": None, **profiles}.items():
                embedded = {} if content is None else {"icc_profile": content}
                yield (
                    f"{kind} {mode} {profile}",
                    f".{kind.lower()}",
                    saved(images[mode], kind, **options, **embedded),
                )


def _magick(folder):
    """What ImageMagick writes and Pillow does not: other depths, compressions and colours."""
    scene = Path(folder) / "scene.png"
    Image.fromarray(RGB).save(scene)
    wanted = {f"{bits}-bit RGB": ["-depth", str(bits)] for bits in (10, 12, 14)}
    wanted |= {
        f"{bits}-bit grey": ["-colorspace", "Gray", "-depth", str(bits)]
        for bits in (1, 2, 4, 10, 12, 14)
    }
    wanted |= {name: ["-compress", name] for name in ("lzw", "rle", "zstd", "webp", "lzma")}
    wanted |= {"YCbCr": ["-colorspace", "YCbCr"], "Lab": ["-colorspace", "Lab"]}
    for name, options in wanted.items():
        written = Path(folder) / "written.tif"
        written.unlink(missing_ok=True)
        subprocess.run([_magick_program(), scene, *options, written], capture_output=True)
        if written.exists():
            yield f"ImageMagick's TIFF {name}", ".tif", written.read_bytes()


def _magick_program():
    return "magick" if shutil.which("magick") else "convert"


def shown_by_others(path, folder):
    """What ImageMagick and libvips show of a photo, in sRGB, on white.

    Returns
    -------
    list of ndarray of int, shape (HEIGHT, WIDTH, 3)
        Of those that can read it.
    """
    return [rgb for rgb in (_by_magick(path, folder), _by_vips(path, folder)) if rgb is not None]


def _by_magick(path, folder):
    srgb = Path(folder) / "srgb.icc"
    srgb.write_bytes(SRGB_PROFILE)
    identified = subprocess.run(
        ["identify", "-format", "%[profile:icc]", f"{path}[0]"], capture_output=True
    )
    # Without an embedded profile the option would embed this one.
    to_srgb = ["-profile", srgb] if identified.stdout.strip() else ["-colorspace", "sRGB"]
    white = ["-background", "white", "-alpha", "remove", "-alpha", "off"]
    command = [_magick_program(), f"{path}[0]", *to_srgb, *white, "-colorspace", "sRGB"]
    command += ["-type", "TrueColor", "-depth", "8", "rgb:-"]
    pixels = subprocess.run(command, capture_output=True).stdout
    if len(pixels) != RGB.size:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(RGB.shape).astype(int)


def _by_vips(path, folder):
    shown = Path(folder) / "shown.png"
    shown.unlink(missing_ok=True)
    command = ["vipsthumbnail", path, "--size", f"{WIDTH}x{HEIGHT}!", "--export-profile", "srgb"]
    subprocess.run([*command, "-o", f"{shown}[strip]"], capture_output=True)
    if not shown.exists():
        return None
    with Image.open(shown) as image:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
    return np.asarray(white.convert("RGB"), int)
