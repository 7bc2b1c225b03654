"""Columns of words in a DataFrame: each state gets a code."""

from __future__ import annotations

from typing import Any

import numpy as np


def find_categories(X: Any) -> dict[int, np.ndarray]:
    """Find the columns of a DataFrame that hold words or categories, and their states.

    Parameters
    ----------
    X : pandas.DataFrame, or anything else

    Returns
    -------
    dict of int to ndarray of object
        By the column's position: its states, in the categories' own order, else sorted; empty for
        what is no DataFrame.

    Raises
    ------
    ValueError
        If a value is missing.
    """
    if not hasattr(X, "iloc"):
        return {}
    found = {}
    for position in range(X.shape[1]):
        column = X.iloc[:, position]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            continue
        is_category = hasattr(column, "cat")
        if not (is_category or _holds_words(column)):
            continue
        missing = column.isna()
        if missing.any():
            raise ValueError(
                f"row {int(missing.argmax())} of feature {X.columns[position]} is missing: give it "
                "a state of its own, or leave the row out"
            )
        states = column.cat.categories if is_category else sorted(column.unique())
        found[position] = np.array(list(states), dtype=object)
    return found


def encode_categories(X: Any, categories: dict[int, np.ndarray]) -> Any:
    """Put codes in the place of words.

    Parameters
    ----------
    X : pandas.DataFrame, or anything else
    categories : dict of int to ndarray of object
        As `find_categories` gives them.

    Returns
    -------
    pandas.DataFrame, or `X` as it is where there are no categories

    Raises
    ------
    ValueError
        If a word is none of its column's states, or `X` is no DataFrame though there are
        categories.
    """
    if not categories:
        return X
    if not hasattr(X, "iloc"):
        raise ValueError("X has to be a DataFrame, as it was in fit: columns of it are categories")
    encoded = {}
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position]
        if position in categories:
            code_of = {state: code for code, state in enumerate(categories[position])}
            codes = column.map(code_of, na_action="ignore").astype(float)
            if codes.isna().any():
                row = int(codes.isna().argmax())
                raise ValueError(
                    f"row {row} of feature {name} is {column.iloc[row]!r}, which fit did not see: "
                    "fit on rows that hold it, or join rare states before"
                )
            column = codes
        encoded[name] = column
    return type(X)(encoded, index=X.index, columns=X.columns)


def _holds_words(column):
    if column.dtype == object:
        return any(isinstance(value, str) for value in column)
    return str(column.dtype).startswith(("string", "str"))
