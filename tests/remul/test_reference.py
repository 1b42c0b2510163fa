"""Docstrings of public names: examples run, nothing is left out."""

import doctest

import pytest
from pages import reference

import remul

ENTRIES = [entry for module in reference.MODULES for entry in reference.read(module)]
FUNCTIONS = [entry for entry in ENTRIES if entry.definition.startswith("def ")]
CLASSES = [entry for entry in ENTRIES if isinstance(getattr(remul, entry.name), type)]
CHECKED = [entry for entry in CLASSES if hasattr(getattr(remul, entry.name), "__post_init__")]


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def test_every_public_name_has_an_entry():
    assert sorted(entry.name for entry in ENTRIES) == sorted(remul.__all__)


@each(ENTRIES)
def test_the_example_runs(entry):
    text = f"{remul.__doc__}\n{entry.sections['Example']}"
    examples = doctest.DocTestParser().get_doctest(text, {}, entry.name, None, None)
    assert doctest.DocTestRunner().run(examples).failed == 0


@each(ENTRIES)
def test_there_is_an_example(entry):
    assert entry.sections["Example"].startswith(">>> ")


@each(ENTRIES)
def test_every_parameter_is_told(entry):
    assert list(entry.items("Args")) == entry.parameters


@each(FUNCTIONS)
def test_a_function_says_what_it_returns_and_raises(entry):
    assert {"Returns", "Raises"} <= entry.sections.keys()


@each(CHECKED)
def test_a_class_that_checks_its_values_says_what_it_raises(entry):
    assert list(entry.items("Raises")) == ["ValueError"]
