"""Symmetric tensors of rank 2, such as a stress or an inertia, as irreps 0e+2e, and back."""

from torch import Tensor

from remul.values import shape_of, to_floats

# The components of 0e+2e, in e3nn's order, by entries xx, yy, zz, yz, xz, xy. An entry off the
# diagonal stands twice in a matrix, so that lengths are kept.
THIRD, HALF, SIXTH, TWICE = 3**-0.5, 2**-0.5, 6**-0.5, 2**0.5
BASIS = (
    (THIRD, THIRD, THIRD, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, TWICE, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, TWICE),
    (-SIXTH, 2 * SIXTH, -SIXTH, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, TWICE, 0.0, 0.0),
    (-HALF, 0.0, HALF, 0.0, 0.0, 0.0),
)
ROWS, COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)
ONCE = (1.0, 1.0, 1.0, 0.5, 0.5, 0.5)


def matrix_to_irreps(matrix: Tensor) -> Tensor:
    """Return symmetric matrices as components of 0e+2e; the length of a matrix is theirs.

    Args:
        matrix: `(..., 3, 3)`, symmetric, in axes x, y, z.

    Returns:
        `(..., 6)`, in the units of the matrix: for a field of type `Rep("0e+2e")`. Whole numbers
        become torch's default floats.

    Raises:
        ValueError: For another shape.

    Example:
        >>> matrix_to_irreps(torch.eye(3)).norm() - torch.eye(3).norm() < 1e-6
        tensor(True)
    """
    if shape_of(matrix)[-2:] != (3, 3):
        raise ValueError(f"a symmetric matrix is (..., 3, 3), got {tuple(matrix.shape)}")
    matrix = to_floats(matrix)
    return (matrix[..., None, ROWS, COLUMNS] * matrix.new_tensor(BASIS)).sum(-1)  # no TF32


def irreps_to_matrix(components: Tensor) -> Tensor:
    """Return the symmetric matrices of components of 0e+2e: `matrix_to_irreps` inverted.

    Args:
        components: `(..., 6)`.

    Returns:
        `(..., 3, 3)`, in the same units. Whole numbers become torch's default floats.

    Raises:
        ValueError: For another shape.

    Example:
        >>> stress = torch.tensor([[1.0, 2, 0], [2, -1, 3], [0, 3, 4]])
        >>> torch.allclose(irreps_to_matrix(matrix_to_irreps(stress)), stress)
        True
    """
    if shape_of(components)[-1:] != (6,):
        raise ValueError(f"components of 0e+2e are (..., 6), got {tuple(components.shape)}")
    components = to_floats(components)
    basis = components.new_tensor(BASIS) * components.new_tensor(ONCE)
    entries = (components[..., None] * basis).sum(-2)
    matrix = entries.new_empty(*entries.shape[:-1], 3, 3)
    matrix[..., ROWS, COLUMNS] = entries
    matrix[..., COLUMNS, ROWS] = entries
    return matrix
