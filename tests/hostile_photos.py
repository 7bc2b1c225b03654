"""A folder of files that a photo reader may meet, and should not trust."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image
from skimage import data

PHOTO = Image.fromarray(np.ascontiguousarray(data.coffee()[::8, ::8]))  # 75 × 50
CUTS = (1, 5, 11, 20, 33, 50, 67, 80, 90, 97, 99)


def make_hostile_photos(folder):
    """Fill a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    whole : set of str
        Names of what has to be decoded.
    broken : dict of str to str
        Names of what has to fail, with a part of the reason.
    either : set of str
        Names of what may be decoded or fail.
    """
    whole, broken = _write_whole(folder), _write_broken(folder)
    either = set()
    for name, content in _kinds().items():
        for cut in CUTS:
            either.add(f"cut {cut} {name}")
            (folder / f"cut {cut} {name}").write_bytes(content[: len(content) * cut // 100])
    return whole, broken, either


def saved(image, kind, **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, bits, colour_type, pixels):
    """A PNG that declares what it is told to, whatever its pixels are."""

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_of_scans(n_scans, **options):
    """A progressive JPEG that repeats its last scan until it has so many."""
    once = saved(Image.new("L", (16, 16)), "JPEG", progressive=True, **options)
    last = once[once.rindex(b"\xff\xda") : -2]
    return once[:-2] + last * (n_scans - once.count(b"\xff\xda")) + once[-2:]


def _kinds():
    turned = PHOTO.rotate(90)
    return {
        "photo.jpg": saved(PHOTO, "JPEG"),
        "progressive.jpg": saved(PHOTO, "JPEG", progressive=True),
        "cmyk.jpg": saved(PHOTO.convert("CMYK"), "JPEG"),  # Pillow writes Adobe's inverted inks.
        "photo.png": saved(PHOTO, "PNG"),
        "animated.png": saved(PHOTO, "PNG", save_all=True, append_images=[turned]),
        "photo.webp": saved(PHOTO, "WEBP"),
        "animated.webp": saved(PHOTO, "WEBP", save_all=True, append_images=[turned]),
        "photo.tif": saved(PHOTO, "TIFF"),
        "deflated.tif": saved(PHOTO, "TIFF", compression="tiff_deflate"),
        "cmyk.tif": saved(PHOTO.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "photo.bmp": saved(PHOTO, "BMP"),
        "animated.gif": saved(PHOTO, "GIF", save_all=True, append_images=[turned]),
    }


def _write_whole(folder):
    deep = np.arange(48, dtype=">u2").reshape(4, 12) * 1000
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    # Adam7 has 7 passes; of one pixel only the first is not empty.
    interlaced = bytearray(png(1, 1, 8, 2, b"\0\xff\0\0"))
    interlaced[28] = 1
    interlaced[29:33] = struct.pack(">I", zlib.crc32(interlaced[12:29]))
    files = _kinds() | {
        "one pixel.jpg": saved(Image.new("RGB", (1, 1)), "JPEG"),
        "line.jpg": saved(Image.new("RGB", (65_500, 1)), "JPEG"),
        "interlaced.png": bytes(interlaced),
        "deep.png": png(4, 4, 16, 2, rows),
        "deep.tif": saved(Image.fromarray(deep.astype(np.uint16)), "TIFF"),
        "named.png": saved(PHOTO, "JPEG"),
        "named.jpg": saved(PHOTO, "GIF"),
        "exif.jpg": saved(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"),
        # As of a motion photo or a Raspberry Pi's raw data: 0xFFDA is in it about 128 times.
        "film.jpg": saved(PHOTO, "JPEG") + np.random.default_rng(0).bytes(2**23),
        "profile.jpg": saved(PHOTO, "JPEG", icc_profile=b"\0\0\x02\x0c" + b"acsp" * 60),
        "two\nlines.jpg": saved(PHOTO, "JPEG"),
        "\x1b[2Jescape.jpg": saved(PHOTO, "JPEG"),
        os.fsdecode(b"caf\xe9.jpg"): saved(PHOTO, "JPEG"),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return set(files)


def _write_broken(folder):
    bomb = zlib.compressobj(9)
    # 160 megapixels of one colour: 160 kB.
    packed = b"".join(bomb.compress(bytes(40_001)) for _ in range(4000)) + bomb.flush()
    scans = jpeg_of_scans(510)
    files = {
        "empty.jpg": (b"", "an empty file"),
        "declared.png": (png(60_000, 60_000, 8, 2, b""), "pixels"),
        "scans.jpg": (scans, "100 scans"),
        # The first end of an image is in a comment, the first scan in another.
        "commented scans.jpg": (
            scans[:2] + b"\xff\xfe\0\x04\xff\xd9\xff\xfe\0\x04\xff\xda" + scans[2:],
            "100 scans",
        ),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known format"),
        "page.png": (b"<html><script>alert(1)</script></html>", "known format"),
    }
    for number in range(8):
        noise = np.random.default_rng(number).bytes(997 * number + 1)
        suffix = ("jpg", "png", "webp", "tif", "gif", "bmp")[number % 6]
        files[f"noise {number}.{suffix}"] = (noise, "known format")
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    # Past the header, so that what is refused is the size of the pixels and not their damage.
    whole = png(40_000, 4_000, 8, 0, b"")
    size = struct.pack(">I", len(packed)) + b"IDAT" + packed
    size += struct.pack(">I", zlib.crc32(b"IDAT" + packed))
    (folder / "packed.png").write_bytes(whole[:33] + size + whole[-12:])
    os.mkfifo(folder / "fifo.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "inside.txt").touch()
    for name, target in [
        ("zero.jpg", "/dev/zero"),
        ("terminal.jpg", "/dev/tty"),
        ("loop.jpg", "loop.jpg"),
        ("dangling.jpg", "nowhere.jpg"),
        ("linked.jpg", "folder.jpg"),
    ]:
        (folder / name).symlink_to(target)
    return {name: why for name, (_, why) in files.items()} | {
        "packed.png": "pixels, more than",
        "fifo.jpg": "not a regular file",
        "zero.jpg": "not a regular file",
        "loop.jpg": "symbolic links",
        "dangling.jpg": "No such file",
    }
