"""What a network says of itself, in its file and in what is made with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from decaf.backend import PRECISIONS
from decaf.networks.backbones import HUB, Backbone, get_backbone, list_backbones
from features.errors import InputError
from features.photos import RESIZE_MODES
from features.records import (
    Record,
    number,
    one_of,
    optional,
    sequence,
    table,
    text,
    whole_number,
)

POOLINGS = ("flatten", "multilevel", "average")
KINDS = ("label", "score", "votes", "backbone")


@dataclass(frozen=True)
class NetworkRecord(Record):
    """What a network is, and where it comes from.

    Attributes
    ----------
    kind : {"label", "score", "votes", "backbone"}
        Whether its head gives the probabilities of snapshot and professional, of each level of the
        score, or the share of each vote; a plain backbone has no head, and its activations are the
        features.
    backbone : str
    pooling : {"flatten", "multilevel", "average"}
    width : int
        The number of features: units of fc6 and fc7, or activations of a plain backbone.
    blocks : int or None
        As many of the backbone's blocks; None is all.
    weights : str or None
        The backbone's: "pretrained", or a file's name; None where they are random.
    licence : str or None
        What these weights are, and under which licence.
    resize : {"squash", "crop", "pad"}
        How photos are brought to its input size.
    sizes : tuple of int
        Height and width of the photos that it looks at, in pixels, the smallest first; it takes
        photos of the largest. None stands for the backbone's own.
    n_grades : int or None
        Of votes: these are 1 … n_grades.
    levels : tuple of float or None
        Of scores, in the units of the ratings: what each output stands for.
    scale : (float, float) or None
        Lowest and highest score of the photos it was finetuned on.
    midpoint : float or None
        Above it a score is professional; scores and votes need one.
    precision : {"float32", "bfloat16"} or None
        What the convolutions were computed in while it was finetuned.
    training : dict or None
        The settings of the finetuning.
    finetuned_on : int or None
        How many photos it was finetuned on, copies counted once; which, its file tells beside this.
    parameters : int or None
        How many it has.
    history : tuple of dict
        What each epoch came to.
    test : dict or None
        How well it did on photos that it had not seen.
    versions : dict or None
        Of what it was made with.

    Raises
    ------
    InputError
        If a value is of another type or out of its range.
    """

    kind: str = field(metadata=one_of(*KINDS))
    backbone: str = field(metadata=text())
    pooling: str = field(metadata=one_of(*POOLINGS))
    width: int = field(metadata=whole_number(1))
    blocks: int | None = field(default=None, metadata=optional(whole_number(1)))
    weights: str | None = field(default="pretrained", metadata=optional(text()))
    licence: str | None = field(default=None, metadata=optional(text()))
    resize: str = field(default="squash", metadata=one_of(*RESIZE_MODES))
    sizes: tuple[int, ...] | None = field(
        default=None, metadata=optional(sequence(whole_number(1)))
    )
    n_grades: int | None = field(default=None, metadata=optional(whole_number(2)))
    levels: tuple[float, ...] | None = field(default=None, metadata=optional(sequence(number())))
    scale: tuple[float, float] | None = field(
        default=None, metadata=optional(sequence(number(), length=2))
    )
    midpoint: float | None = field(default=None, metadata=optional(number()))
    precision: str | None = field(default=None, metadata=one_of(*PRECISIONS, None))
    training: dict[str, Any] | None = field(default=None, metadata=optional(table()))
    finetuned_on: int | None = field(default=None, metadata=optional(whole_number(1)))
    parameters: int | None = field(default=None, metadata=optional(whole_number()))
    history: tuple[dict[str, Any], ...] = field(default=(), metadata=sequence(table()))
    test: dict[str, Any] | None = field(default=None, metadata=optional(table()))
    versions: dict[str, str] | None = field(default=None, metadata=optional(table()))

    def __post_init__(self):
        super().__post_init__()
        if (self.n_grades is None) == (self.kind == "votes"):
            raise InputError("n_grades must be there for votes, and for nothing else")
        if (self.levels is None) == (self.kind == "score"):
            raise InputError("levels must be there for scores, and for nothing else")
        if self.levels is not None and not (len(self.levels) > 1 and _rise(self.levels)):
            raise InputError(f"levels must be two or more that rise, not {self.levels}")
        if self.grades is not None and self.midpoint is None:
            raise InputError(f"midpoint must be there for {self.kind}")
        if self.sizes is not None and not _rise(self.sizes):
            raise InputError(f"sizes must rise, not {self.sizes}")
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise InputError(f"scale must rise, not {self.scale}")
        n_blocks = self.n_blocks
        if self.blocks is not None and n_blocks is not None and self.blocks > n_blocks:
            raise InputError(f"blocks must be 1 to {n_blocks}, not {self.blocks}")

    @property
    def name(self) -> str:
        """What sets it apart, as its file is called.

        Examples
        --------
        >>> NetworkRecord("label", "vgg16", "flatten", width=250).name
        'vgg16-250'
        >>> NetworkRecord("label", "vgg16", "multilevel", width=500, blocks=4).name
        'vgg16-multilevel-blocks4-500'
        >>> NetworkRecord("label", "vgg16", "average", width=500, sizes=(224, 448)).name
        'vgg16-224px-448px-average-500'
        >>> NetworkRecord("label", "hub:presets/dinov2_small", "average", width=500).name
        'hub-dinov2_small-average-500'
        """
        backbone = self.backbone
        if backbone.startswith(HUB):
            backbone = f"hub-{PurePath(backbone.removeprefix(HUB)).name}"
        parts = [backbone, *(f"{size}px" for size in self.sizes or ())]
        if self.pooling != "flatten":
            parts.append(self.pooling)
        if self.blocks is not None:
            parts.append(f"blocks{self.blocks}")
        if self.grades is not None:
            parts.append(self.kind)
        return "-".join([*parts, str(self.width)])

    @property
    def n_blocks(self) -> int | None:
        """As many blocks the whole backbone has; None for one that is not the registry's."""
        return None if self._entry is None else self._entry.n_blocks

    @property
    def own_sizes(self) -> tuple[int, ...] | None:
        """The size that the backbone was trained on; None for one that is not the registry's."""
        return None if self._entry is None else (self._entry.input_size,)

    @property
    def has_head(self) -> bool:
        """Whether there are fc6, fc7 and an output on the backbone."""
        return self.kind != "backbone"

    @property
    def grades(self) -> Sequence[float] | None:
        """The scores that the outputs stand for; None where they stand for none.

        Examples
        --------
        >>> list(NetworkRecord("votes", "vgg16", "average", 8, n_grades=3, midpoint=2).grades)
        [1, 2, 3]
        """
        return self.levels if self.n_grades is None else range(1, self.n_grades + 1)

    @property
    def n_outputs(self) -> int:
        """Numbers that the network gives for a photo."""
        if self.grades is not None:
            return len(self.grades)
        return 2 if self.has_head else self.width

    @property
    def _entry(self) -> Backbone | None:
        return get_backbone(self.backbone) if self.backbone in list_backbones() else None


def _rise(numbers: tuple[float, ...]) -> bool:
    return len(numbers) > 0 and all(low < high for low, high in pairwise(numbers))
