"""The protocol: one conversation as it stands on the wire, and a worker that still holds it."""

import contextlib
import json
from pathlib import Path
from typing import get_args

import pytest

from bench.cli import main
from bench.system import checkout, protocol
from bench.system.pool import Worker
from bench.system.protocol import PROTOCOL, Died, Hello, Reply, Request

FILE = Path(__file__).with_name("conversation.jsonl")
CONVERSATION = [json.loads(line) for line in FILE.read_text().splitlines()]
ASKED = [turn["parent"] for turn in CONVERSATION if "parent" in turn]
ANSWERED = [turn["worker"] for turn in CONVERSATION if "worker" in turn]


@pytest.mark.parametrize("plain", ASKED, ids=lambda plain: plain["do"])
def test_a_request_is_what_it_was(plain):
    request = protocol.decode_request(json.dumps(plain).encode())
    assert json.loads(protocol.encode(request)) == plain


@pytest.mark.parametrize("plain", ANSWERED, ids=lambda plain: plain["says"])
def test_a_reply_is_what_it_was(plain):
    reply = protocol.decode_reply(json.dumps(plain).encode())
    assert json.loads(protocol.encode(reply)) == plain


def test_the_conversation_has_every_message():
    kinds = {type(protocol.decode_request(json.dumps(plain).encode())) for plain in ASKED}
    assert kinds == set(get_args(Request))
    kinds = {type(protocol.decode_reply(json.dumps(plain).encode())) for plain in ANSWERED}
    assert kinds == set(get_args(Reply))


def test_the_conversation_begins_with_the_number_of_the_protocol():
    assert CONVERSATION[:2] == [
        {"parent": {"do": "hello"}},
        {"worker": {"says": "done", "result": PROTOCOL}},
    ]


def shape(plain):
    """What JSON holds but for its numbers and texts; of a machine, the names of its facts."""
    if isinstance(plain, dict):
        return {
            name: set(value) if name == "machine" else shape(value) for name, value in plain.items()
        }
    return float if isinstance(plain, (int, float)) else type(plain)


SPOKEN = ("hello", "prepare", "take_sample", "measure_energy", "count", "count_breaks")


@pytest.fixture(scope="module")
def spoken():
    """What a worker of today answers to each request of the conversation that takes no time."""
    worker, answers = Worker(), {}
    try:
        for plain in [plain for plain in ASKED if plain["do"] in SPOKEN]:
            worker.send(protocol.decode_request(json.dumps(plain).encode()))
            answers[plain["do"]] = json.loads(protocol.encode(worker.inbox.get()))
        yield answers
    finally:
        worker.kill()


@pytest.mark.parametrize("asked", SPOKEN)
@pytest.mark.system
def test_a_worker_answers_as_it_did(asked, spoken):
    place = [turn.get("parent", {}).get("do") for turn in CONVERSATION].index(asked)
    assert shape(spoken[asked]) == shape(CONVERSATION[place + 1]["worker"])


@pytest.mark.parametrize("line", [b"", b"[", b"{}", b'{"do": "dance"}', b'{"do": "train"}'])
def test_what_is_no_message_is_named(line):
    with pytest.raises(ValueError, match=f"no message of protocol {PROTOCOL}"):
        protocol.decode_request(line)


DEAF = """
import json, sys
ANSWERS = {"prepare": {"done": {}}}
for line in sys.stdin:
    print(json.dumps(ANSWERS[json.loads(line)["do"]]), flush=True)
"""
RUDE = DEAF.replace("ANSWERS[json.loads(line)", "ANSWERS.get(json.loads(line)").replace(
    '["do"]]', '["do"], {"done": None, "reason": "no"})'
)


def old_checkout(folder, code):
    """A checkout from before protocols had numbers."""
    (folder / "bench").mkdir()
    (folder / "bench" / "__init__.py").touch()
    (folder / "bench" / "worker.py").write_text(code)
    return folder


@pytest.mark.parametrize("code", [DEAF, RUDE], ids=["it dies", "it answers with an error"])
def test_compare_says_in_one_line_that_an_old_revision_speaks_otherwise(
    code, tmp_path, monkeypatch, capfd
):
    tree = old_checkout(tmp_path, code)
    monkeypatch.setattr(checkout, "checkout", lambda revision: contextlib.nullcontext(tree))
    assert main(["compare", "--base", "v0", "--models", "egnn", "--budget", "1s"]) == 3
    shown = capfd.readouterr()
    line = f"v0 speaks protocol 1, this checkout {PROTOCOL}: no times can be compared"
    assert [text for text in shown.out.splitlines() if text.startswith("- ")] == [f"- {line}"]
    assert all("% done" in line for line in shown.err.splitlines())


@pytest.mark.system
def test_a_worker_that_talks_nonsense_is_given_up(tmp_path):
    worker = Worker(old_checkout(tmp_path, "print(3, flush=True)"))
    try:
        worker.send(Hello())
        assert isinstance(worker.inbox.get(timeout=30), Died)
    finally:
        worker.kill()
