"""The name of a machine: the same on each start, another on another host of the same image."""

import pytest

from bench.system import machine


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Makes this process one of a host, by the name of its state folder."""
    monkeypatch.delenv("REMUL_MACHINE")

    def become(name):
        monkeypatch.setattr(machine.platformdirs, "user_state_dir", lambda _: str(tmp_path / name))
        return machine.folder("cpu")

    return become


def test_a_machine_keeps_its_name(host):
    assert host("a") == host("a")


def test_hosts_of_one_image_have_names_of_their_own(host, monkeypatch):
    draws = iter(("12ab", "34cd"))
    monkeypatch.setattr(machine.secrets, "token_hex", lambda _: next(draws))
    assert [host("a")[-4:], host("b")[-4:], host("a")[-4:]] == ["12ab", "34cd", "12ab"]


def test_a_state_folder_that_cannot_be_written_gives_a_name_too(host, tmp_path):
    (tmp_path / "file").touch()
    assert host("file/below") == host("file/below")


def test_a_machine_that_is_known_goes_on_with_its_folder(monkeypatch):
    monkeypatch.setenv("REMUL_MACHINE", "2f40")
    assert machine.folder("cpu").endswith("c-2f40")


def test_what_are_no_digits_is_named(monkeypatch):
    monkeypatch.setenv("REMUL_MACHINE", "my/machine")
    with pytest.raises(ValueError, match="REMUL_MACHINE has to be four hex digits"):
        machine.folder("cpu")
