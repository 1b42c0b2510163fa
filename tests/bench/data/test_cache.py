"""The cache: one process makes, nothing half stays, and downloads survive what networks do."""

import errno
import hashlib
import io
import multiprocessing
import os
import resource
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from bench.data import cache
from bench.data.archive import read_npz
from bench.data.cache import cache_arrays, fetch, folder

ARRAYS = {"x": np.arange(5.0), "odd/name": np.zeros((0, 3), np.int64)}
CONTENT = bytes(range(256)) * 400
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """An empty folder for data."""
    monkeypatch.setenv("REMUL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def files(data):
    """What lies in the folder beside the locks."""
    return sorted(path for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")


def same(found, expected=ARRAYS):
    return found.keys() == expected.keys() and all(
        x.dtype == expected[name].dtype and np.array_equal(x, expected[name])
        for name, x in found.items()
    )


def never():
    raise AssertionError("made again")


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_what_was_made_is_read_back(data):
    cache_arrays("t", {"a": 1}, lambda: ARRAYS)
    assert same(cache_arrays("t", {"a": 1}, never))


def test_other_options_are_made_apart(data):
    cache_arrays("t", {"a": 1}, lambda: ARRAYS)
    assert same(cache_arrays("t", {"a": 2}, lambda: {"y": np.ones(1)}), {"y": np.ones(1)})
    assert len(files(data)) == 2


def packed(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def flipped(index):
    content = bytearray(packed(**ARRAYS))
    content[index] ^= 255
    return bytes(content)


def reading(file):
    """What `read_npz` makes of a file: arrays, or the message."""
    try:
        return read_npz(file)
    except ValueError as error:
        return str(error)


@pytest.mark.slow
def test_a_flipped_byte_is_never_taken_for_data(tmp_path):
    file = tmp_path / "a.npz"
    for index in range(len(packed(**ARRAYS))):
        file.write_bytes(flipped(index))
        found = reading(file)
        if isinstance(found, str):
            assert found.startswith(f"{file} is no sound .npz file")
        else:
            assert same(found), index  # a date or a version, not content


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr(name, content)
    return file.getvalue()


def alone(x):
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


BROKEN = {
    "empty": b"",
    "truncated": packed(**ARRAYS)[:-30],
    "pickle": packed(x=np.array([{"a": 1}], dtype=object)),
    "text": b"<html>404</html>\n" * 99,
    "array": alone(np.ones(3)),
    "member": zipped("x.npy", b"not an array"),
}


def test_what_unpacks_to_a_thousand_times_its_size_is_not_unpacked(tmp_path):
    file = tmp_path / "zeros.npz"
    np.savez_compressed(file, x=np.zeros(2**24))
    with pytest.raises(ValueError, match=r"its [\d,]+ bytes would unpack to 134,"):
        read_npz(file)


@pytest.mark.parametrize(
    "arrays",
    [{}, {"x": np.ones(2)}, {"x": np.array([["a"]])}, {"x": np.ones((2, 2)) * 1j},
     {"x": np.full((2, 2), np.nan)}],
    ids=["missing", "axes", "words", "complex", "nan"],
)  # fmt: skip
def test_arrays_of_another_kind_are_named(arrays, tmp_path):
    (tmp_path / "a.npz").write_bytes(packed(**arrays))
    with pytest.raises(ValueError, match=r"a\.npz is no sound .*: (it lacks )?x"):
        read_npz(tmp_path / "a.npz", {"x": 2})


def test_a_cached_file_that_lacks_an_array_is_made_anew(data, capsys):
    cache_arrays("t", {}, lambda: {"y": np.ones(1)})
    assert same(cache_arrays("t", {}, lambda: {"x": np.ones(1)}, {"x": 1}), {"x": np.ones(1)})
    assert "lacks x" in lines(capsys)[0]


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_clear_line(content, tmp_path):
    file = tmp_path / "a.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"is no sound .npz file of plain arrays: .") as found:
        read_npz(file)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_the_cache_is_made_anew_with_a_line(content, data, capsys):
    cache_arrays("t", {}, lambda: ARRAYS)
    (file,) = files(data)
    file.write_bytes(content)
    assert same(cache_arrays("t", {}, lambda: ARRAYS))
    (line,) = lines(capsys)
    assert f"{file} is no sound .npz file" in line
    assert same(cache_arrays("t", {}, never))


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_nothing_but_gives_the_arrays(data, monkeypatch, capsys):
    monkeypatch.setattr(cache.os, "fsync", full)
    assert same(cache_arrays("t", {}, lambda: ARRAYS))
    (line,) = lines(capsys)
    assert line.endswith("cannot be kept: No space left on device")
    assert files(data) == []


def test_a_disk_that_fills_while_writing_keeps_nothing(data, capsys):
    big = {"x": np.zeros(100_000)}
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        assert same(cache_arrays("t", {}, lambda: big), big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    (line,) = lines(capsys)
    assert "cannot be kept" in line
    assert files(data) == []


def test_a_folder_that_cannot_be_written_is_one_line(data, capsys):
    data.write_text("in the way")
    assert same(cache_arrays("t", {}, lambda: ARRAYS))
    (line,) = lines(capsys)
    assert "cannot be kept" in line


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_while_writing_leaves_nothing(error, data, monkeypatch):
    def interrupt(_):
        raise error

    monkeypatch.setattr(cache.os, "fsync", interrupt)
    with pytest.raises(error):
        cache_arrays("t", {}, lambda: ARRAYS)
    assert files(data) == []


def test_what_a_killed_process_left_is_overwritten(data):
    cache_arrays("t", {}, lambda: ARRAYS)
    (file,) = files(data)
    file.rename(file.with_name(file.name + ".part"))
    cache_arrays("t", {}, lambda: ARRAYS)
    assert files(data) == [file]


def make_together(folder, barrier, made):
    os.environ["REMUL_DATA"] = folder

    def make():
        with made.get_lock():
            made.value += 1
        return {"x": np.arange(300_000.0)}

    barrier.wait(60)
    assert len(cache_arrays("t", {}, make)["x"]) == 300_000


@pytest.mark.system
def test_of_processes_that_want_the_same_one_makes_it(data):
    context = multiprocessing.get_context("spawn")
    barrier, made = context.Barrier(3), context.Value("i", 0)
    arguments = (str(data), barrier, made)
    processes = [context.Process(target=make_together, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    assert made.value == 1


class Server(ThreadingHTTPServer):
    """Serves `content` at every path; counts requests; can be told to misbehave."""

    content, ranges, cut, tag, shift, headers = CONTENT, True, None, '"1"', 0, {}

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.starts = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers["If-Range"] in (None, self.server.tag)
        wanted = self.headers["Range"] if self.server.ranges and known else None
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.server.starts.append(start)
        if wanted and start >= len(self.server.content):
            self.send_error(416)
            return
        content = self.server.content[start:]
        self.send_response(206 if wanted else 200)
        whole, first = len(self.server.content), start + self.server.shift
        headers = {"Content-Length": str(len(content)), "ETag": self.server.tag}
        if wanted:
            headers["Content-Range"] = f"bytes {first}-{whole - 1}/{whole}"
        for name, value in (headers | self.server.headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: self.server.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Starts servers on this machine."""
    servers = []

    def start(**behaviour):
        server = Server()
        vars(server).update(behaviour)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


fetch_file = partial(fetch, "t", "file.bin", sha256=SHA, size=len(CONTENT))
NOWHERE = "http://127.0.0.1:9/file"  # the discard port: nobody answers


def test_a_file_is_fetched_once(serve):
    server = serve()
    assert fetch_file([server.url]).read_bytes() == CONTENT
    assert fetch_file([server.url]) == folder() / "t" / "file.bin"
    assert server.starts == [0]


def test_mirrors_are_tried_in_turn(serve):
    wrong = serve(content=CONTENT[::-1])
    assert fetch_file([NOWHERE, wrong.url, serve().url]).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_is_continued(ranges, serve, data):
    server = serve(cut=1000)
    with pytest.raises(ValueError, match=f"ended after 1000 of {len(CONTENT)} bytes"):
        fetch_file([server.url])
    vars(server).update(cut=None, ranges=ranges)
    assert fetch_file([server.url]).read_bytes() == CONTENT
    assert server.starts == [0, 1000 if ranges else 0]
    assert files(data) == [data / "t" / "file.bin"]


def test_a_wrong_hash_is_named_and_nothing_stays(serve, data):
    wrong = CONTENT[::-1]
    found = hashlib.sha256(wrong).hexdigest()
    with pytest.raises(ValueError, match=f"file.bin.* has sha256 {found}, expected {SHA}"):
        fetch_file([serve(content=wrong).url])
    assert files(data) == []


def test_a_file_that_is_too_long_is_refused(serve, data):
    with pytest.raises(ValueError, match=f"bytes, expected {len(CONTENT)}"):
        fetch_file([serve(content=CONTENT + b"more").url])
    assert files(data) == []


def test_a_damaged_file_is_fetched_anew_with_a_line(serve, data, capsys):
    fetch_file([serve().url]).write_bytes(CONTENT[::-1])
    assert fetch_file([serve().url]).read_bytes() == CONTENT
    assert any("expected" in line and "fetched anew" in line for line in lines(capsys))


unrecorded = partial(fetch, "t", "file.bin")


def test_the_first_download_of_an_unrecorded_file_is_trusted_and_noted(serve, data):
    assert unrecorded([serve().url]).read_bytes() == CONTENT
    assert (data / "t" / "file.bin.sha256").read_text() == SHA


def test_an_unrecorded_file_that_has_changed_is_fetched_anew(serve):
    unrecorded([serve().url]).write_bytes(CONTENT[::-1])
    assert unrecorded([serve().url]).read_bytes() == CONTENT


def test_a_broken_download_of_an_unrecorded_file_is_continued(serve):
    server = serve(cut=1000)
    with pytest.raises(ValueError, match=f"ended after 1000 of {len(CONTENT)} bytes"):
        unrecorded([server.url])
    vars(server).update(cut=None)
    assert unrecorded([server.url]).read_bytes() == CONTENT


def test_an_unrecorded_file_that_was_left_unfinished_but_whole_is_begun_anew(serve, data):
    (data / "t").mkdir(parents=True)
    (data / "t" / "file.bin.part").write_bytes(CONTENT)
    assert unrecorded([serve().url]).read_bytes() == CONTENT


def cut_off(serve, **changes):
    """A server that ended after 1000 bytes and has changed since."""
    server = serve(cut=1000)
    with pytest.raises(ValueError, match="ended after 1000"):
        unrecorded([server.url])
    vars(server).update(cut=None, **changes)
    return server


def test_a_file_that_changed_while_it_came_is_no_mixture(serve):
    changed = cut_off(serve, content=CONTENT[::-1], tag='"2"')
    assert unrecorded([changed.url]).read_bytes() == CONTENT[::-1]


def test_without_a_word_for_its_state_a_file_is_begun_anew(serve):
    server = serve(cut=1000, tag=None)
    with pytest.raises(ValueError, match="ended after 1000"):
        unrecorded([server.url])
    vars(server).update(cut=None, content=CONTENT[::-1])
    assert unrecorded([server.url]).read_bytes() == CONTENT[::-1]


def test_other_bytes_than_were_asked_for_are_refused(serve, data):
    server = cut_off(serve, shift=10)
    with pytest.raises(ValueError, match="asked for bytes from 1000 on, the server sent others"):
        unrecorded([server.url])
    assert files(data) == []


ANSWERS = {
    "it is empty": {"content": b"", "ranges": False},
    "it is a page of HTML": {"content": b"\n<!DOCTYPE html><title>Log in</title>"},
    "a page of HTML comes": {"headers": {"Content-Type": "text/html; charset=utf-8"}},
    "it comes as gzip": {"headers": {"Content-Encoding": "gzip"}},
    "it is compressed": {"content": b"\x1f\x8b" + CONTENT},
    "does not say how long it is": {"headers": {"Content-Length": None}},
}


@pytest.mark.parametrize(("words", "answer"), ANSWERS.items(), ids=ANSWERS)
def test_what_is_no_file_is_refused_where_no_hash_tells(words, answer, serve, data):
    with pytest.raises(ValueError, match=words):
        unrecorded([serve(**answer).url])
    assert files(data) == []


def test_a_file_of_a_name_that_leads_elsewhere_is_not_written(data):
    for name in ("../x", "/tmp/x", "a/../../x"):
        with pytest.raises(ValueError, match="would not lie within the folder"):
            fetch("t", name, [NOWHERE])


def test_without_a_network_the_message_says_what_to_place_where(data):
    with pytest.raises(ValueError, match="Connection refused") as found:
        fetch_file([NOWHERE])
    assert f"place the file at {data / 't' / 'file.bin'}" in str(found.value)
    assert NOWHERE in str(found.value)


def test_a_file_placed_by_hand_needs_no_network(data):
    (data / "t").mkdir(parents=True)
    (data / "t" / "file.bin").write_bytes(CONTENT)
    assert fetch_file([NOWHERE]).read_bytes() == CONTENT


def test_a_full_disk_ends_a_download_without_a_trace(serve, data):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(ValueError, match="File too large"):
            fetch_file([serve().url])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert files(data) == []


def test_a_home_in_the_variable_is_no_folder_of_that_name(monkeypatch):
    monkeypatch.setenv("REMUL_DATA", "~/data")
    assert folder() == Path.home() / "data"
