"""Make a small rated photo set for the demonstration and the tests.

The photographs are those that scikit-image and scikit-learn install. The ratings are SYNTHETIC:
nobody gave them. Some crops are spoilt as snapshots are, and the votes are drawn from a
distribution that depends on how badly. They show that the way from photos to classifiers works,
and say nothing about aesthetics.

Usage::

    python -m features.samples FOLDER
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from features.errors import InputError
from features.files import writing

LONGEST_SIDE = 256

_N_STEPS = 10  # AVA's scale, 1–10.

# Votes per photo and their spread as in AVA (Murray, Marchesotti, Perronnin 2012, section 3.1:
# 78 to 549 votes, 210 on average; standard deviations around 1.4).
_N_VOTES = (78, 342)
_VOTE_SPREAD = 1.4

# Chosen so that about 70 % of the means are above 5, as in AVA: an unspoilt crop's mean, what the
# worst spoiling takes from it, and the spread of taste that nothing in the photo explains.
_UNSPOILT_MEAN = 6.4
_SPOILT_LOSS = 3.0
_TASTE_SPREAD = 0.45

_DEFECTS = ("tilt", "blur", "exposure", "cast", "noise", "compression")

# How probable it is that a crop has no defect, one, or two.
_DEFECT_COUNTS = (0.55, 0.28, 0.17)


def make_samples(folder: str | os.PathLike, n: int = 300, seed: int = 0) -> Path:
    """Write cropped, partly spoilt photographs and their synthetic ratings.

    A photo's group is the quarter of the source photograph that it was cropped from. Crops of one
    quarter overlap, those of two quarters share no pixel, so keeping groups together keeps every
    pixel on one side of a split. Whole sources would be stricter, but there are only seven, too few
    for stratified folds; and since spoiling is drawn without regard to the source, to recognise a
    source does not help to guess a label.

    Parameters
    ----------
    folder : str or path
        Made if it is not there; must be empty.
    n : int
        Number of photos.
    seed : int
        The same seed gives the same photos and votes.

    Returns
    -------
    pathlib.Path
        ``ratings.csv`` in the folder: columns file, count1 … count10 (votes), group.

    Raises
    ------
    InputError
        When the folder is not empty or cannot be written, `n` is not positive, or scikit-image is
        not installed.
    """
    folder = Path(folder)
    if n < 1:
        raise InputError(f"{n} sample photos: give a number above 0")
    if find_spec("skimage") is None:
        raise InputError("the sample photos need scikit-image: pip install 'decaf[samples]'")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder}: is not empty; name a new folder")
        return _write_samples(folder, n, np.random.default_rng(seed))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: ``python -m features.samples FOLDER [-n N] [--seed SEED]``."""
    parser = argparse.ArgumentParser(
        prog="python -m features.samples",
        description="Make a small photo set with synthetic ratings (nobody gave them).",
    )
    parser.add_argument("folder", metavar="FOLDER", help="a new folder for photos and ratings.csv")
    parser.add_argument("-n", type=int, default=300, help="number of photos (default: 300)")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed, other photos (default: 0)"
    )
    arguments = parser.parse_args(argv)
    try:
        print(make_samples(arguments.folder, arguments.n, arguments.seed))
    except InputError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


def _write_samples(folder: Path, n: int, random: np.random.Generator) -> Path:
    from tqdm import tqdm

    quarters = _load_quarters()
    groups = _shuffle_rounds(list(quarters), n, random)
    rows = []
    for number, group in enumerate(tqdm(groups, desc="photos", unit="photo", disable=None)):
        strengths = _draw_strengths(random)
        photo = _spoil(_crop(quarters[group], random), strengths, random)
        name = f"{number:04}.jpg"
        (folder / name).write_bytes(photo)
        rows.append([name, *_draw_votes(strengths, random), group])
    ratings = folder / "ratings.csv"
    with open(ratings, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *(f"count{step + 1}" for step in range(_N_STEPS)), "group"])
        writer.writerows(rows)
    return ratings


def _load_quarters() -> dict[str, Image.Image]:
    """The four quarters of every source photograph: dictionary of RGB images by name."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    sources = {
        "astronaut": data.astronaut(),
        "chelsea": data.chelsea(),
        "china": load_sample_image("china.jpg"),
        "coffee": data.coffee(),
        "flower": load_sample_image("flower.jpg"),
        "motorcycle": data.stereo_motorcycle()[0],
        "rocket": data.rocket(),
    }
    quarters: dict[str, np.ndarray] = {}
    for name, rgb in sources.items():
        halves = np.array_split(rgb, 2, axis=0)
        places = ("top-left", "top-right", "bottom-left", "bottom-right")
        parts = [part for half in halves for part in np.array_split(half, 2, axis=1)]
        quarters.update((f"{name}-{place}", part) for place, part in zip(places, parts))
    return {name: Image.fromarray(part) for name, part in quarters.items()}


def _shuffle_rounds(names: list[str], n: int, random: np.random.Generator) -> list[str]:
    """`n` names in random order, every name as often as every other, give or take one."""
    rounds = [random.permutation(names) for _ in range(-(-n // len(names)))]
    return np.concatenate(rounds)[:n].tolist()


def _crop(quarter: Image.Image, random: np.random.Generator) -> Image.Image:
    width, height = (round(side * random.uniform(0.75, 1)) for side in quarter.size)
    left = int(random.integers(quarter.width - width + 1))
    top = int(random.integers(quarter.height - height + 1))
    crop = quarter.crop((left, top, left + width, top + height))
    if random.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    crop.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return crop


def _draw_strengths(random: np.random.Generator) -> dict[str, float]:
    """How strong each defect is: dictionary, 0–1, 0 where a photo does not have it."""
    n_defects = random.choice(len(_DEFECT_COUNTS), p=_DEFECT_COUNTS)
    chosen = random.choice(_DEFECTS, n_defects, replace=False)
    return dict.fromkeys(_DEFECTS, 0) | {defect: random.uniform(0.1, 1) for defect in chosen}


def _spoil(image: Image.Image, strengths: dict[str, float], random: np.random.Generator) -> bytes:
    """The photo with its defects, as the bytes of a JPEG file."""
    if strengths["tilt"]:
        image = _tilt(image, random.choice([-1, 1]) * (4 + 14 * strengths["tilt"]))
    if strengths["blur"]:
        image = image.filter(ImageFilter.GaussianBlur(0.5 + 3 * strengths["blur"]))
    levels = np.asarray(image, dtype=float)
    if strengths["exposure"]:
        levels = levels * 2 ** (random.choice([-1, 1]) * (0.4 + 1.6 * strengths["exposure"]))
    if strengths["cast"]:
        levels = levels * (1 + 0.5 * strengths["cast"] * random.permutation([-1, 0, 1]))
    if strengths["noise"]:
        levels = levels + random.normal(0, 5 + 35 * strengths["noise"], levels.shape)
    image = Image.fromarray(np.rint(levels.clip(0, 255)).astype(np.uint8))
    file = BytesIO()
    quality = round(30 - 25 * strengths["compression"]) if strengths["compression"] else 92
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _tilt(image: Image.Image, degrees: float) -> Image.Image:
    """Rotate, and keep the largest rectangle of the same shape that has no blank corner."""
    angle = np.radians(abs(degrees))
    elongation = max(image.size) / min(image.size)
    kept = 1 / (np.cos(angle) + elongation * np.sin(angle))
    width, height = (int(side * kept) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    rotated = image.rotate(degrees, Image.Resampling.BICUBIC)
    return rotated.crop((left, top, left + width, top + height))


def _draw_votes(strengths: dict[str, float], random: np.random.Generator) -> list[int]:
    """Votes for each step of the scale: list of `_N_STEPS` counts."""
    badness = 1 - np.prod([1 - strength for strength in strengths.values()])
    mean = _UNSPOILT_MEAN - _SPOILT_LOSS * badness + random.normal(0, _TASTE_SPREAD)
    opinions = random.normal(mean, _VOTE_SPREAD, random.integers(*_N_VOTES))
    steps = np.rint(opinions).clip(1, _N_STEPS).astype(int)
    return np.bincount(steps, minlength=_N_STEPS + 1)[1:].tolist()


if __name__ == "__main__":
    main()
