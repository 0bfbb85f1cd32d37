"""Arguments of tasks: defaults, what is allowed, and what is said where something isn't."""

from __future__ import annotations

from typing import Any

import pytest

from fedbed.tasks.arguments import Argument, ArgumentError, Choice, Whole, complete

DECLARED: dict[str, Argument] = {
    "width": Whole(16, 4, 256, "Channels."),
    "loss": Choice("dice", ("dice", "ce"), "The loss."),
    "classes": Whole(None, 2, 255, "Classes.", of="as many as the data set has"),
}


def test_what_is_left_out_has_its_default() -> None:
    assert complete("t", DECLARED, {}) == {"width": 16, "loss": "dice", "classes": None}
    given = {"loss": "ce", "width": 8, "classes": 3}
    assert complete("t", DECLARED, given) == given
    assert list(complete("t", DECLARED, given)) == ["width", "loss", "classes"]
    assert complete("t", DECLARED, {"classes": None})["classes"] is None


@pytest.mark.parametrize(
    ("args", "key", "text"),
    [
        ({"widht": 8}, "widht", "task 't' has no such argument (did you mean 'width'?); allowed: "),
        ({"colour": 8}, "colour", "task 't' has no such argument; allowed: width, loss, classes"),
        ({3: 8}, "3", "task 't' has no such argument; allowed: width"),
        ({"width": 3}, "width", "given 3; allowed: a whole number from 4 to 256"),
        ({"width": 257}, "width", "given 257; allowed: a whole number from 4 to 256"),
        ({"width": 8.0}, "width", "given 8.0; allowed: a whole number from 4 to 256"),
        ({"width": True}, "width", "given True; allowed: a whole number from 4 to 256"),
        ({"width": None}, "width", "given None; allowed: a whole number from 4 to 256"),
        ({"loss": "focal"}, "loss", "given 'focal'; allowed: dice | ce"),
        ({"loss": 3}, "loss", "given 3; allowed: dice | ce"),
        ({"classes": 1}, "classes", "from 2 to 255, or null: as many as the data set has"),
    ],
)
def test_what_is_wrong_is_named(args: Any, key: str, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        complete("t", DECLARED, args)
    assert caught.value.key == key
    assert text in caught.value.text
    assert str(caught.value).startswith(f"task 't': argument '{key}': ")


def test_a_task_without_arguments_says_so() -> None:
    with pytest.raises(ArgumentError, match="task 't' takes no arguments"):
        complete("t", {}, {"width": 1})
