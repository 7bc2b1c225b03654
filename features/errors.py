"""The one exception that stands for a wrong input of the user's."""


class InputError(ValueError):
    """A wrong input; the message is one line that names the file, the place and the remedy."""
