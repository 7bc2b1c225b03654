"""LiteRT.js, which runs a scorer in a browser: the files of its package, by their digests."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from features.errors import InputError

PACKAGE = "@litertjs/core@2.5.3"
ADDRESS = f"https://cdn.jsdelivr.net/npm/{PACKAGE}/"
# The build for browsers without relaxed SIMD is as fast (experiments/results/bench-camera/oasis).
FILES = {
    "dist/index.js": "sha256-59rMw6Me74kISKc3zLhj3tXwRqa0DD/cBVZJWt612bM=",
    "wasm/litert_wasm_compat_internal.js": "sha256-TY+JS3iDZU/W6EOXMKpB55zqq30ZGE/E8fCw8aKiyKU=",
    "wasm/litert_wasm_compat_internal.wasm": "sha256-UlXIrQbqvb0lIs3r9rIvwQ+vdGJcI6SbngclcM0fpBw=",
}


def read_runtime(folder: str | os.PathLike) -> dict[str, bytes]:
    """The files of the package that a page needs.

    Parameters
    ----------
    folder : path-like
        The package, as ``npm pack`` or ``npm install`` unpack it.

    Returns
    -------
    dict of str to bytes
        By their names in the package.

    Raises
    ------
    InputError
        A file is not there, or is not of the version that was tried.
    """
    content = {}
    for name, digest in FILES.items():
        path = Path(folder, name)
        remedy = f"give the folder that `npm pack {PACKAGE}` packs, unpacked"
        try:
            content[name] = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; {remedy}") from error
        if integrity(content[name]) != digest:
            raise InputError(f"{path}: is not the file of {PACKAGE}; {remedy}")
    return content


def integrity(content: bytes) -> str:
    """The digest of a file as browsers compare it.

    Examples
    --------
    >>> integrity(b"")[:20]
    'sha256-47DEQpj8HBSa+'
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"
