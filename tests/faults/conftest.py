"""The long form of these tests, `FAULTS=long`, tries what the short one samples."""

import os

import pytest


@pytest.fixture(scope="session")
def long():
    """Whether thousands of cases are tried, and their figures kept."""
    return os.environ.get("FAULTS") == "long"
