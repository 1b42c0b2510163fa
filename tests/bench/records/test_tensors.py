"""Trees of tensors and plain values in files."""

import pytest
import torch

from bench.records.tensors import as_bytes, read_tensors, read_tree, write_tree


@pytest.mark.parametrize(
    "tree",
    [
        {0: {1: [2, None, True]}, "a": 0.1},
        [(1, 2.5, ("x", None)), {}, [], float("inf")],
        {"tensor": 1, "dict": {"tuple": []}},
    ],
)
def test_a_tree_comes_back_as_it_was(tree, tmp_path):
    write_tree(tmp_path / "tree", tree)
    assert read_tree(tmp_path / "tree") == tree


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
def test_a_tensor_comes_back_as_it_was(kind, tmp_path):
    tensor = torch.arange(6).reshape(2, 3).mT.to(getattr(torch, kind))
    write_tree(tmp_path / "tree", {"x": (tensor, tensor[0, 0])})
    matrix, scalar = read_tree(tmp_path / "tree")["x"]
    assert (matrix.dtype, scalar.shape) == (tensor.dtype, ())
    assert torch.equal(matrix, tensor)
    assert scalar == tensor[0, 0]


def test_weights_that_share_their_memory_are_each_written(tmp_path):
    whole = torch.arange(4.0)
    (tmp_path / "weights").write_bytes(as_bytes({"a": whole, "b": whole[:2]}, "plain"))
    tensors, plain = read_tensors(tmp_path / "weights")
    assert (tensors["b"].tolist(), plain) == ([0.0, 1.0], "plain")


def test_what_is_read_is_no_window_on_the_file(tmp_path):
    for value in (1.0, 2.0):
        (tmp_path / "weights").write_bytes(as_bytes({"a": torch.tensor(value)}))
        tensors, _ = read_tensors(tmp_path / "weights")
        tensors["a"].add_(10)
    assert read_tensors(tmp_path / "weights")[0]["a"] == 2.0


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"{}", b"\xff" * 9])
def test_a_file_of_anything_else_is_refused_by_its_name(content, tmp_path):
    (tmp_path / "torn").write_bytes(content)
    with pytest.raises(ValueError, match="torn cannot be read"):
        read_tree(tmp_path / "torn")


def test_no_pickle_is_read(tmp_path):
    torch_file = tmp_path / "pickled"
    torch_file.write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.")
    with pytest.raises(ValueError, match="cannot be read"):
        read_tensors(torch_file)
