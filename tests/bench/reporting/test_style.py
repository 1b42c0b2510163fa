"""Names in figures and in their files."""

import pytest

from bench.reporting.figures.style import slug


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("nbody_charged(field=0.5, val=500)", "nbody_charged-field-0-5-val-500"),
        ("quadrants(train=64, where=False)", "quadrants-train-64-where-false"),
    ],
)
def test_a_usual_label_is_a_name_of_words(label, name):
    assert slug(label) == name


@pytest.mark.parametrize(
    ("label", "other"), [("t(x=0.5)", "t(x=-0.5)"), ("t(k=A)", "t(k=a)"), ("данные", "задача")]
)
def test_labels_that_differ_have_names_that_do(label, other):
    assert slug(label) != slug(other)


def test_a_label_of_other_letters_has_a_name():
    assert slug("данные").isalnum()
