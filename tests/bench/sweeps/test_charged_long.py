"""Charges at length, beside what is published."""

from bench.core import plugins
from bench.reporting import published
from bench.sweeps import charged_long


def test_every_network_with_a_published_error_is_trained():
    trained = {run.model.name for run in charged_long.runs()}
    known = {model for model, _ in published.texts(charged_long.TASK.label)}
    assert known.intersection(plugins.names("models")) <= trained
