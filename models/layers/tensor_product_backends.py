"""Channelwise tensor products of senders' features with harmonics, by one of several backends.

All backends compute, for each path from irrep l_in over harmonics l_sh to irrep l_out, the mean
over the senders j of w_ij sqrt(2 l_out + 1) CG(h_j, Y_ij), with a weight w for each path and
channel. Features are a list by irrep (l, parity), each (batch, n, 2 l + 1, channels).
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import torch
from e3nn import o3
from torch import Tensor, nn

from models.layers.blocked_products import can_block, sum_blocks
from models.layers.edge_blocks import cut_blocks, find_senders
from models.layers.lengths import smooth_length
from models.layers.product_derivatives import Path, Sums
from models.layers.tensor_product_spec import Geometry, Plan, TensorProductSpec, Triple

LIBRARIES = {"cuequivariance": "cuequivariance_torch", "openequivariance": "openequivariance"}


def build_backend(name: str, spec: TensorProductSpec) -> nn.Module:
    """Return the backend of that name.

    Raises `ValueError` where there is none or its library is not installed.
    """
    backends = {
        "own": Dense,
        "e3nn": build_e3nn,
        "cuequivariance": build_cuequivariance,
        "openequivariance": build_openequivariance,
    }
    if name not in backends:
        raise ValueError(f"no kernel {name!r}; there are {', '.join(backends)}")
    return backends[name](spec)


def _locate(spec: TensorProductSpec, triple: Triple) -> tuple[int, int]:
    """Return the first of the parities of l_in that take part in a triple, and how many do."""
    parts = [i for i, l_sh, j in spec.paths if (i // 2, l_sh, j // 2) == triple]
    present = [i for i in spec.ins if i // 2 == triple[0]]
    return present.index(parts[0]), len(parts)


class Dense(nn.Module):
    """For each object one product of matrices sums over components and senders.

    Both parities of an l share their matrices and stand side by side as channels.
    """

    def __init__(self, spec: TensorProductSpec) -> None:
        super().__init__()
        self.spec, self.slices = spec, [_locate(spec, triple) for triple in spec.l_triples]
        self.paths = [
            Path(spec.ins.index(i), spec.l_triples.index((i // 2, l, j // 2)), l == 0)
            for i, l, j in spec.paths
        ]
        for index, triple in enumerate(spec.l_triples):
            table = spec.clebsch_gordan(*triple).permute(1, 2, 0).flatten(1)
            self.register_buffer(f"table{index}", table, persistent=False)

    def prepare(self, geometry: Geometry) -> Geometry:
        """Return it with a matrix (batch, rows, 2 l_out + 1, (2 l_in + 1) k) for every triple."""
        edges, harmonics, matrices, plan = geometry
        harmonics, matrices = edges.mean_weights * harmonics, dict(matrices)
        for index, triple in enumerate(self.spec.l_triples):
            if triple in matrices:
                continue
            _, l_sh, l_out = triple
            table = self.get_buffer(f"table{index}").to(harmonics)
            part = (
                harmonics[..., l_sh * l_sh : (l_sh + 1) ** 2]
                if l_sh
                else edges.mean_weights.expand(*harmonics.shape[:-1], -1)
            )
            matrix = part @ table
            # (batch, n, k, (2 l_out + 1) (2 l_in + 1)): k joins the components of the sender
            matrix = matrix.mT.contiguous().unflatten(2, (2 * l_out + 1, -1)).flatten(3)
            matrices[triple] = matrix
        if plan is None and can_block(edges.vectors):
            plan = Plan(cut_blocks(edges), find_senders(edges, self.spec.lmax))
        return geometry._replace(matrices=matrices, plan=plan)

    def multiply_in_blocks(
        self, h: list[Tensor], hidden: Tensor, weight: Tensor, geometry: Geometry
    ) -> list[Tensor]:
        """Return what `forward` does for the weights `hidden @ weight.t()`, as planned."""
        spec, edges = self.spec, geometry.edges
        places = [geometry.plan.senders[i // 2] for i in spec.ins]
        senders = [each.arrange(h[i]) for each, i in zip(places, spec.ins, strict=True)]
        matrices = [geometry.matrices[triple].flatten(0, 1) for triple in spec.l_triples]
        sums = Sums(self.paths, places, geometry.plan.blocks)
        aggregated = sum_blocks(sums, hidden.flatten(0, 1), weight, senders, matrices)
        return [edges.sum_rows(x.unflatten(0, hidden.shape[:2])) for x in aggregated]

    def forward(self, h: list[Tensor], weights: Tensor, geometry: Geometry) -> list[Tensor]:
        channels, aggregated = self.spec.channels, []
        by_l = [torch.cat(parities, -1) for parities in zip(h[::2], h[1::2], strict=True)]
        gather = geometry.edges.gather_senders
        senders = [gather(x.flatten(2)).unflatten(-1, x.shape[2:]).transpose(2, 3) for x in by_l]
        sizes = [channels * count for _, count in self.slices]
        parts = weights.unsqueeze(2).split(sizes, -1)  # (batch, rows, 1, k, ...)
        for triple, (start, count), weight in zip(
            self.spec.l_triples, self.slices, parts, strict=True
        ):
            sender = senders[triple[0]].narrow(-1, start * channels, count * channels)
            sums = geometry.matrices[triple] @ (weight * sender).flatten(2, 3)
            aggregated += geometry.edges.sum_rows(sums).split(channels, -1)
        return aggregated


def convolve(
    backend: nn.Module, h: list[Tensor], net: nn.Sequential, radial: Tensor, geometry: Geometry
) -> list[Tensor]:
    """Return the backend's products, whose weights are those of `net` at radial functions.

    Where there is a plan, what the last layer of the net puts out is never held as a whole, so that
    a hook there would see nothing: then it is.
    """
    *first, last = net
    if geometry.plan is None or last._forward_hooks or not last.in_features:
        return backend(h, net(radial), geometry)
    for layer in first:
        radial = layer(radial)
    return backend.multiply_in_blocks(h, radial, last.weight, geometry)


class LibraryProduct(nn.Module):
    """A library's product for lists of edges; its constants are none of the network's weights.

    `product` takes senders, harmonics and weights, all (edges, width).
    """

    def __init__(
        self, spec: TensorProductSpec, product: nn.Module, channels_last: bool = True
    ) -> None:
        super().__init__()
        # A tuple hides the product from `state_dict`, and from `to`, hence `_apply`.
        self.spec, self.product, self.channels_last = spec, (product,), channels_last

    def _apply(self, fn: Callable, *args: bool) -> nn.Module:
        self.product[0]._apply(fn, *args)
        return super()._apply(fn, *args)

    def prepare(self, geometry: Geometry) -> Geometry:
        """Return it as it is."""
        return geometry

    def forward(self, h: list[Tensor], weights: Tensor, geometry: Geometry) -> list[Tensor]:
        edges, harmonics = geometry[:2]
        x = torch.cat([(x if self.channels_last else x.mT).flatten(2) for x in h], -1)
        senders = edges.gather_senders(x).expand(*weights.shape[:3], -1)
        messages = self.product[0](*(x.flatten(0, 2) for x in (senders, harmonics, weights)))
        mean_weights = edges.mean_weights.mT.expand(weights.shape[0], -1, -1, -1)
        sums = mean_weights @ messages.unflatten(0, weights.shape[:3])
        aggregated = edges.sum_rows(sums.squeeze(2))
        irreps, channels = self.spec.irreps, self.spec.channels
        dims = [2 * irreps[out][0] + 1 for _, _, out in self.spec.paths]
        parts = aggregated.split([dim * channels for dim in dims], -1)
        if self.channels_last:
            return [part.unflatten(-1, (-1, channels)) for part in parts]
        return [part.unflatten(-1, (channels, -1)).mT for part in parts]


def build_e3nn(spec: TensorProductSpec) -> LibraryProduct:
    """Return e3nn's product."""
    *irreps, instructions = instruct(spec)
    options = {"shared_weights": False, "internal_weights": False}
    return LibraryProduct(spec, o3.TensorProduct(*irreps, instructions, **options), False)


def build_openequivariance(spec: TensorProductSpec) -> LibraryProduct:
    """Return OpenEquivariance's product, which runs on a GPU alone."""
    oeq = import_library("openequivariance")
    if not torch.cuda.is_available():
        raise ValueError("kernel 'openequivariance' runs on a GPU, and there is none")
    *irreps, instructions = instruct(spec)
    options = {"shared_weights": False, "internal_weights": False, "layout": "ir_mul"}
    irreps = [oeq.Irreps(str(x)) for x in irreps]
    return LibraryProduct(spec, oeq.TensorProduct(oeq.TPProblem(*irreps, instructions, **options)))


def instruct(spec: TensorProductSpec) -> tuple[o3.Irreps, o3.Irreps, o3.Irreps, list[tuple]]:
    """Return irreps and instructions as e3nn writes them: a result of its own for each path."""
    irreps = [(spec.channels, irrep) for irrep in spec.irreps]
    irreps_in = o3.Irreps([irreps[i] for i in spec.ins])
    irreps_sh = o3.Irreps.spherical_harmonics(spec.lmax_sh)
    irreps_out = o3.Irreps([irreps[out] for _, _, out in spec.paths])
    instructions = [
        (spec.ins.index(i), l_sh, path, "uvu", True) for path, (i, l_sh, _) in enumerate(spec.paths)
    ]
    return irreps_in, irreps_sh, irreps_out, instructions


def build_cuequivariance(spec: TensorProductSpec) -> LibraryProduct:
    """Return cuEquivariance's product, of segments: weights, senders, harmonics, results."""
    library, cue = import_library("cuequivariance"), import_module("cuequivariance")
    product = cue.SegmentedTensorProduct.from_subscripts("u,iu,j,ku+ijk")
    for i in spec.ins:
        product.add_segment(1, (2 * spec.irreps[i][0] + 1, spec.channels))
    for l in range(spec.lmax_sh + 1):
        product.add_segment(2, (2 * l + 1,))
    for path, (i, l_sh, out) in enumerate(spec.paths):
        l_in, l_out = spec.irreps[i][0], spec.irreps[out][0]
        product.add_segment(0, (spec.channels,))
        product.add_segment(3, (2 * l_out + 1, spec.channels))
        coefficients = spec.clebsch_gordan(l_in, l_sh, l_out).numpy()
        product.add_path(path, spec.ins.index(i), l_sh, path, c=coefficients)
    polynomial = cue.SegmentedPolynomial.eval_last_operand(product)
    method = "uniform_1d" if torch.cuda.is_available() else "naive"
    return LibraryProduct(spec, CueProduct(library.SegmentedPolynomial(polynomial, method=method)))


class CueProduct(nn.Module):
    """cuEquivariance's product with its arguments in the order of the other libraries."""

    def __init__(self, polynomial: nn.Module) -> None:
        super().__init__()
        self.polynomial = polynomial

    def forward(self, senders: Tensor, harmonics: Tensor, weights: Tensor) -> Tensor:
        return self.polynomial([weights, senders, harmonics])[0]


def import_library(name: str) -> ModuleType:
    """Return the library's module, or raise `ValueError` that says how to install it."""
    try:
        return import_module(LIBRARIES[name])
    except ImportError:
        extra = name if name == "openequivariance" else "kernels"
        raise ValueError(f"kernel {name!r} needs `pip install 'remul[{extra}]'`") from None


def spherical_harmonics(x: Tensor, lmax: int) -> Tensor:
    """Return harmonics of the directions x, (..., (lmax + 1)^2), by l; 1, 0, 0, ... at x = 0."""
    degrees = list(range(lmax + 1))
    return o3.spherical_harmonics(degrees, x / smooth_length(x), False, normalization="component")
