"""The camera page: a folder that scores, in a browser, what a camera sees."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decaf.camera import litert_js
from features.errors import NoPercentiles
from features.files import write_file, writing
from features.folders import check_output_folder, filling_folder

if TYPE_CHECKING:
    from decaf.models.description import Description
    from decaf.models.export import Exported
    from decaf.models.model import Model
    from features.ratings import RatedPhotos

OWNER = "camera page"
PAGE_FILE, NETWORK_FILE, RUNTIME_FOLDER = "index.html", "scorer.tflite", "runtime"
# As they are in this package.
_ASSETS = (
    "camera.css",
    "camera.js",
    "files.js",
    "icon.svg",
    "manifest.webmanifest",
    "meter.js",
    "resize.js",
    "scorer.js",
    "worker.js",
)
OWN_FILES = (
    PAGE_FILE,
    NETWORK_FILE,
    f"{NETWORK_FILE}.json",
    *_ASSETS,
    *(f"{RUNTIME_FOLDER}/{name}" for name in litert_js.FILES),
)


def check_page_folder(folder: str | os.PathLike, *, force: bool = False) -> None:
    """Refuse a folder that cannot take a page, before the work that leads to it.

    Parameters
    ----------
    folder : path-like
    force : bool
        Whether it may hold something.

    Raises
    ------
    AlreadyThere
        It holds something else than a page that nobody has changed.
    InputError
        It is a file, or cannot be written.
    """
    check_output_folder(folder, force=force, owner=OWNER, own_files=OWN_FILES)


def export_camera_page(
    model: Model,
    folder: str | os.PathLike,
    *,
    runtime: str | os.PathLike | None = None,
    force: bool = False,
    head: str = "classifier",
    photos: str | os.PathLike | RatedPhotos | None = None,
    **options: Any,
) -> Exported:
    """Write a page that scores what a camera sees, and photos, by a model; nothing leaves a device.

    Parameters
    ----------
    model : Model
    folder : path-like
        Of the page, to be served; is made if it is not there.
    runtime : path-like, optional
        The package of LiteRT.js, as in `decaf.camera.litert_js.read_runtime`, which is copied, so
        that the page needs no network; by default the page fetches it from a public address, and
        checks it.
    force : bool
        Replace a page that is there, even where somebody has changed it.
    head, photos
        As in `decaf.models.export.export_model`. The classifier's scores of frames are compared
        with those of the photos that judged the model; those of a softmax, and of a model that
        does not tell these, with those of `photos`.
    **options
        More of `decaf.models.export.export_model`.

    Returns
    -------
    Exported
        The network's file in the folder.

    Raises
    ------
    NoPercentiles
        Nothing tells with which photos' scores those of frames are to be compared.
    InputError, ScoresDiffer
        As from `decaf.models.export.export_model`; the folder cannot be written.
    """
    from decaf.models.export import export_model

    folder = Path(folder)
    check_page_folder(folder, force=force)
    if photos is None and (head != "classifier" or model.record.percentiles is None):
        raise NoPercentiles(
            f"{model}: does not tell how photos score that a camera's frames could be compared with"
        )
    copied = {} if runtime is None else litert_js.read_runtime(runtime)
    with filling_folder(folder, OWNER, OWN_FILES):
        exported = export_model(
            model, folder / NETWORK_FILE, head=head, photos=photos, force=True, **options
        )
        for name in _ASSETS:
            write_file(folder / name, files(__package__).joinpath("web", name).read_text("utf-8"))
        for name, content in copied.items():
            path = folder / RUNTIME_FOLDER / name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content)
        write_file(folder / PAGE_FILE, _render(exported.description, is_copied=bool(copied)))
    return exported


def _render(description: Description, *, is_copied: bool) -> str:
    from jinja2 import Environment, PackageLoader

    templates = Environment(
        loader=PackageLoader(__package__, "web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    base = f"{RUNTIME_FOLDER}/" if is_copied else litert_js.ADDRESS
    settings = {
        "network": NETWORK_FILE,
        "size": description.size,
        "resize": description.resize,
        "percentiles": description.percentiles,
        "runtime": {"base": base, "files": litert_js.FILES},
    }
    return templates.get_template(PAGE_FILE).render(
        remote="" if is_copied else base,
        settings=settings,
        compared_with=description.compared_with,
        facts=_facts(description),
    )


def _facts(description: Description) -> dict[str, str]:
    """What the page says of the model."""
    facts = {
        "network": description.network,
        "classifier": description.classifier,
        "looks at": f"{description.size} × {description.size} pixels",
        "precision": description.precision,
        "runtime": litert_js.PACKAGE,
    }
    if description.judged is not None and description.judged.srcc is not None:
        facts["order"] = f"rank correlation with people's {description.judged.srcc.value:.2f}"
    if description.licence is not None:
        facts["weights"] = description.licence
    return facts
