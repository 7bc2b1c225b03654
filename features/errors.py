"""The exception that stands for a wrong input of the user's, and kinds of it to tell apart.

Sentences say what is wrong, and name no option of a command: a command adds the option that helps
(`decaf.commands.running.REMEDIES`).
"""


class InputError(ValueError):
    """A wrong input; the message is one line that names the file, the place and the remedy."""


class AlreadyThere(InputError):
    """An output that is there already, and is not replaced unasked."""


class WrittenMeanwhile(InputError):
    """A file that another program has written since it was read."""


class Shortage(InputError):
    """The machine lacks memory or room on a disk: what is wrong is not the file at hand."""


class Damaged(InputError):
    """A file that a program wrote whole, and that is not whole any more."""


class MissingPhotos(InputError):
    """Rated photos that are not where they are looked for."""


class OutsideScale(InputError):
    """A score outside the scale, where no scale was given."""


class NoRatings(InputError):
    """Features of photos that nobody has rated, where ratings are needed."""


class NoScores(InputError):
    """Ratings without scores, where a margin around their midpoint is asked for."""


class NoMidpoint(InputError):
    """Scores without a midpoint, where a margin around it is asked for."""


class SeenPhotos(InputError):
    """A side of a fold is left without a class, since the network or a copy was seen there."""


class NotExportable(InputError):
    """A classifier that does not fold into a network, though that has an output of its own."""


class NoRepresentativePhotos(InputError):
    """Ranges of whole numbers are asked for, and no photos to find them in."""


class NoPercentiles(InputError):
    """Frames of a camera are to be compared with photos, and nothing tells how these score."""


class NotTaught(InputError):
    """A critic of damage that is not beside its model, or does not fit to it."""


class NoNetwork(InputError):
    """The network behind features is not at hand; without it a classifier scores no photos."""


class NoNetworkFile(NoNetwork):
    """Its file was not given."""


class NoWeightsFile(NoNetwork):
    """It is a plain backbone, whose weights were not given."""
