"""The graph of graph.py with eight bits for weights and activations, for CPUs.

    most of the backbone      QLinearConv and QLinearAdd, uint8 from end to end
    products with weights     MatMulIntegerToFloat
    ImageNet's classes        MatMulNBits, weights of four bits, for the file's size
    the embedding's rows      int8, multiplied by their scales
    the rest                  as it was, float32

QLinearAdd, MatMulIntegerToFloat and MatMulNBits are ONNX Runtime's own. Inputs and outputs of the
graph are the same. An activation has one scale, found on pictures of train beforehand,
so what a picture gets does not depend on the others of its batch. A weight has a scale
for each output channel. What rounding it does to an output's mean is taken off the
bias: without that EfficientNet-Lite's features are twice as far off (README.md).

Shapes: C channels or features that a node takes, N that it gives.
"""

from collections.abc import Container, Mapping, Sequence

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

import graph

PICTURES = 512  # of train, to find scales by
BATCH = 4  # all activations of so many pictures are held at once
# The stem and the first block: few channels of many pixels, on which ONNX Runtime is faster in
# float32, and whose rounding is a third of what the whole backbone's does to the features.
SINGLE = ("backbone.stages.0.", "backbone.stages.1.")
CLASSES = "network.classes.weight"
CONTRIBUTED = "com.microsoft"  # ONNX Runtime's own operators
LARGEST_LOSS = 0.010  # of CIDEr on val: with more, CPUs are told to compute in float32
SAMPLE = 200_000  # numbers of an activation that its scale is found by, a batch
OUTSIDE = 1e-5  # share of them that may be cut off on either side
BLOCK = 64  # weights of four bits with a scale of their own
LARGEST_BIAS = 2**30  # steps; int32 holds it


def quantize(model: onnx.ModelProto, pixels: np.ndarray) -> onnx.ModelProto:
    """The int8 graph of what graph.build gave; scales by pictures uint8 [n, size, size, 3]."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    _as_float(model.graph)
    return _Rewriting(model, _observe(model, pixels)).model


class Range:
    """What the numbers of a tensor were like."""

    def __init__(self, axis: int) -> None:
        """axis is that of its channels."""
        self.axis = axis
        self._limits: list[np.ndarray] = []
        self._means: list[np.ndarray] = []

    def add(self, array: np.ndarray) -> None:
        """Takes the tensor of another batch."""
        sample = array.ravel()[:: max(1, array.size // SAMPLE)]
        self._limits.append(np.quantile(sample, [OUTSIDE, 1 - OUTSIDE]))
        others = tuple(i for i in range(array.ndim) if i != self.axis % array.ndim)
        self._means.append(array.mean(others, dtype=np.float64))

    @property
    def mean(self) -> np.ndarray:
        """Of each channel, float64 [C]."""
        return np.mean(self._means, 0)

    @property
    def step_and_zero(self) -> tuple[np.float32, np.uint8]:
        """A uint8 q stands for (q - zero) * step; zero, which padding needs, is among them."""
        low, high = np.mean(self._limits, 0)
        low, high = min(low, 0.0), max(high, 0.0)
        step = max(high - low, 1e-9) / 255
        return np.float32(step), np.uint8(round(-low / step))


def _as_float(part: GraphProto) -> None:
    """Undoes graph.store_as_half."""
    weights = {tensor.name: tensor for tensor in part.initializer}
    others = []
    for node in part.node:
        if node.op_type == "Cast" and node.input[0] in weights:
            tensor = weights[node.input[0]]
            array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, node.output[0]))
        else:
            others.append(node)
    _set_nodes(part, others)


def _set_nodes(part: GraphProto, nodes: Sequence[NodeProto]) -> None:
    nodes = list(nodes)
    del part.node[:]
    part.node.extend(nodes)


def _loop(model: onnx.ModelProto) -> NodeProto:
    return next(node for node in model.graph.node if node.op_type == "Loop")


def _weights(model: onnx.ModelProto) -> dict[str, str]:
    """The initializers that hold weights, by the names that nodes know them by.

    The embedding is also the last layer's weight, transposed.
    """
    names = {tensor.name: tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Transpose" and node.input[0] in names:
            names[node.output[0]] = node.input[0]
    return names


def _products(part: GraphProto, weights: Mapping[str, str]) -> list[NodeProto]:
    """The linear layers."""
    return [n for n in part.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in weights]


def _convolutions(part: GraphProto) -> list[NodeProto]:
    """Those that are quantised."""
    return [
        node
        for node in part.node
        if node.op_type == "Conv" and not any(name in node.input[1] for name in SINGLE)
    ]


def _results(part: GraphProto) -> dict[str, str]:
    """What each convolution gives: after its ReLU6, if it has one, which the limits of uint8 do."""
    users: dict[str, list[NodeProto]] = {}
    for node in part.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = {}
    for node in _convolutions(part):
        after = users[node.output[0]]
        clipped = len(after) == 1 and after[0].op_type == "Clip"
        found[node.output[0]] = after[0].output[0] if clipped else node.output[0]
    return found


def _sums(part: GraphProto) -> list[NodeProto]:
    """The residual connections between convolutions."""
    grids, found = set(_results(part).values()), []
    for node in part.node:
        if node.op_type == "Add" and grids.issuperset(node.input):
            grids.add(node.output[0])
            found.append(node)
    return found


def _observe(model: onnx.ModelProto, pixels: np.ndarray) -> dict[str, Range]:
    """The ranges of all tensors that will be quantised."""
    weights, body = _weights(model), _loop(model).attribute[0].g
    grids = [node.input[0] for node in _convolutions(model.graph)]
    grids += [*_results(model.graph).values(), *(node.output[0] for node in _sums(model.graph))]
    inner = {node.input[0] for node in _products(body, weights)}
    rows = {node.input[0] for node in _products(model.graph, weights)} | inner
    ranges = {name: Range(1) for name in grids} | {name: Range(-1) for name in sorted(rows)}
    shown = onnx.ModelProto.FromString(model.SerializeToString())
    loop = _loop(shown)
    loop.output.extend(sorted(inner))  # those of all steps, one after the other
    loop.attribute[0].g.output.extend(_float(name) for name in sorted(inner))
    shown.graph.output.extend(_float(name) for name in ranges)
    session = graph.Session(shown.SerializeToString())
    for start in range(0, len(pixels), BATCH):
        found = session.run(pixels[start : start + BATCH], outputs=list(ranges))
        for name, array in found.items():
            ranges[name].add(array)
    return ranges


def _float(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


class _Rewriting:
    """Rewrites a model, node after node."""

    def __init__(self, model: onnx.ModelProto, ranges: Mapping[str, Range]) -> None:
        self.model, self.ranges = model, ranges
        self.steps = {name: each.step_and_zero for name, each in ranges.items()}
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.weights, self.results = _weights(model), _results(model.graph)
        self.tables = sorted(name for known, name in self.weights.items() if known != name)
        self.nodes: list[NodeProto] = []
        self.bytes: dict[str, str] = {}  # tensors, and those that hold them as uint8
        self.grids: set[str] = set()  # tensors that exist as uint8 only
        self.instead: dict[str, str] = {}  # tensors, and what other nodes take in their place
        for name in self.tables:
            self._round_table(name)
        self._rewrite(model.graph)
        self._rewrite(_loop(model).attribute[0].g)
        self._finish()

    def _rewrite(self, part: GraphProto) -> None:
        self.nodes = []
        sums = {node.output[0] for node in _sums(part)}
        products = {node.output[0] for node in _products(part, self.weights)}
        biases = self._biases(part, products)
        merged = {adding.output[0] for adding in biases.values()}
        for node in part.node:
            output = node.output[0]
            if output in self.results:
                self._convolution(node)
            elif output in sums:
                self._sum(node)
            elif output in products:
                self._product(node, biases.get(output))
            elif node.op_type == "Gather" and node.input[0] in self.tables:
                self._look_up(node)
            elif output not in merged and output not in self.grids:  # the ReLU6s are
                node.input[:] = [self._float(name) for name in node.input]
                self.nodes.append(node)
        _set_nodes(part, self.nodes)

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, array: np.ndarray) -> str:
        self.arrays[name] = array
        return name

    def _scale(self, name: str) -> list[str]:
        """Constants: step and zero of a tensor."""
        step, zero = (np.asarray(number) for number in self.steps[name])
        return [self._constant(f"{name}.step", step), self._constant(f"{name}.zero", zero)]

    def _in_bytes(self, name: str) -> list[str]:
        """The tensor as uint8, its step, its zero."""
        if name not in self.bytes:
            self.bytes[name] = f"{name}.uint8"
            self._add("QuantizeLinear", [name, *self._scale(name)], f"{name}.uint8")
        return [self.bytes[name], *self._scale(name)]

    def _float(self, name: str) -> str:
        """The tensor as float32, or what stands for it."""
        if name not in self.grids:
            return self.instead.get(name, name)
        if name not in self.instead:
            self.instead[name] = self._add("DequantizeLinear", self._in_bytes(name), f"{name}.back")
        return self.instead[name]

    def _give(self, kind: str, inputs: Sequence[str], name: str, **attributes: object) -> None:
        """A node that gives a tensor as uint8 alone."""
        self.grids.add(name)
        self.bytes[name] = self._add(kind, inputs, f"{name}.uint8", **attributes)

    def _convolution(self, node: NodeProto) -> None:
        taken, name, *bias = node.input
        weight, step = self.arrays[name], self.steps[taken][0]
        offset = self.arrays[bias[0]] if bias else np.zeros(len(weight), np.float32)
        # A channel of nearly no weight may have a large bias.
        rounded, scales = _rounded(weight, np.abs(offset) / (step * LARGEST_BIAS))
        lost = (weight - _restored(rounded, scales)).sum((2, 3))  # [N, C / groups]
        mean = self.ranges[taken].mean.reshape(-1, lost.shape[1])  # [groups, C / groups]
        offset = offset + (lost * np.repeat(mean, len(lost) // len(mean), 0)).sum(1)
        result = self.results[node.output[0]]
        weight_inputs = [
            self._constant(f"{name}.int8", rounded),
            self._constant(f"{name}.step", scales),
            self._constant(f"{name}.zero", np.zeros(len(scales), np.int8)),
        ]
        offset = np.round(offset / (scales * step)).astype(np.int32)
        offset = self._constant(f"{name}.bias", offset)
        inputs = [*self._in_bytes(taken), *weight_inputs, *self._scale(result), offset]
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        self._give("QLinearConv", inputs, result, **attributes)

    def _sum(self, node: NodeProto) -> None:
        (one, other), total = node.input, node.output[0]
        inputs = [*self._in_bytes(one), *self._in_bytes(other), *self._scale(total)]
        self._give("QLinearAdd", inputs, total, domain=CONTRIBUTED)

    def _biases(self, part: GraphProto, products: Container[str]) -> dict[str, NodeProto]:
        """The nodes that add a bias to products."""
        adding = (node for node in part.node if node.op_type == "Add")
        return {
            node.input[0]: node
            for node in adding
            if node.input[0] in products and node.input[1] in self.arrays
        }

    def _product(self, node: NodeProto, adding: NodeProto | None) -> None:
        """x @ weight + bias; a Gemm has its bias, and its weight transposed.

        Biases of zero, as new weights have them, are not in the graph.
        """
        taken, known = node.input[:2]
        name = self.weights[known]
        stored = self.arrays[name]
        rows = stored if node.op_type == "Gemm" or name in self.tables else stored.T  # [N, C]
        offset = sum(self.arrays[bias] for bias in (adding.input[1:] if adding else node.input[2:]))
        if name.endswith(CLASSES):
            self._product_of_four_bits(taken, name, rows, offset, node.output[0])
            return
        rounded, scales = _rounded(rows)
        offset = offset + (rows - _restored(rounded, scales)) @ self.ranges[taken].mean
        if name not in self.tables:
            known = self._constant(f"{name}.int8", np.ascontiguousarray(rounded.T))
        held, step, zero = self._in_bytes(taken)
        inputs = [
            held,
            known,
            step,
            self._constant(f"{name}.step", scales),
            zero,
            "",  # the weight's zero is zero
            self._constant(f"{name}.bias", offset.astype(np.float32)),
        ]
        output = (adding or node).output[0]
        self._add("MatMulIntegerToFloat", inputs, output, domain=CONTRIBUTED)

    def _product_of_four_bits(
        self, taken: str, name: str, rows: np.ndarray, offset: np.ndarray, output: str
    ) -> None:
        """x @ rows.T + offset; x stays float32."""
        blocks = rows.reshape(-1, BLOCK)
        scales = np.abs(blocks).max(1, keepdims=True) / 7
        scales = np.maximum(scales, 1e-12).astype(np.float32)
        four = np.round(blocks / scales).astype(np.int8)
        offset = offset + (rows - (four * scales).reshape(rows.shape)) @ self.ranges[taken].mean
        pairs = (four + 8).astype(np.uint8)  # which is how zero is meant
        pairs = pairs[:, ::2] | pairs[:, 1::2] << 4
        inputs = [
            taken,
            self._constant(f"{name}.int4", pairs.reshape(len(rows), -1, BLOCK // 2)),
            self._constant(f"{name}.step", scales.ravel()),
        ]
        attributes = {"K": rows.shape[1], "N": len(rows), "bits": 4, "block_size": BLOCK}
        product = f"{output}.product"
        self._add("MatMulNBits", inputs, product, domain=CONTRIBUTED, **attributes)
        bias = self._constant(f"{name}.bias", offset.astype(np.float32))
        self._add("Add", [product, bias], output)

    def _round_table(self, name: str) -> None:
        """The embedding: rows of int8 with a scale each, which are looked up and multiplied by."""
        rounded, scales = _rounded(self.arrays[name])
        self.instead[name] = self._constant(f"{name}.int8", rounded)
        self._constant(f"{name}.column", scales[:, None])

    def _look_up(self, node: NodeProto) -> None:
        """Rows of a table as float32."""
        table, rows = node.input
        output = node.output[0]
        rounded = self._add("Gather", [self.instead[table], rows], f"{output}.int8")
        whole = self._add("Cast", [rounded], f"{output}.whole", to=TensorProto.FLOAT)
        scales = self._add("Gather", [f"{table}.column", rows], f"{output}.scale")
        self._add("Mul", [whole, scales], output)

    def _finish(self) -> None:
        """Leaves out what nothing needs any more."""
        part = self.model.graph
        needed = {output.name for output in part.output}
        kept = []
        for node in reversed(part.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(_taken(node))
        _set_nodes(part, reversed(kept))
        del part.initializer[:]
        part.initializer.extend(
            numpy_helper.from_array(array, name)
            for name, array in self.arrays.items()
            if name in needed
        )
        graph.store_as_half(part)
        self.model.opset_import.append(helper.make_opsetid(CONTRIBUTED, 1))
        onnx.checker.check_model(self.model, full_check=True)


def _taken(node: NodeProto) -> set[str]:
    """The tensors that a node takes, those that a loop's body takes included."""
    inner = (a.g.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH)
    return {*node.input, *(n for nodes in inner for each in nodes for n in _taken(each))}


def _rounded(rows: np.ndarray, least: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Weights [N, ...] as int8, and a scale for each row, at least so large."""
    largest = np.abs(rows.reshape(len(rows), -1)).max(1)
    scales = np.maximum(np.maximum(largest / 127, least), 1e-12).astype(np.float32)
    return np.round(rows / _wide(scales, rows)).astype(np.int8), scales


def _restored(rounded: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """What _rounded kept."""
    return rounded * _wide(scales, rounded)


def _wide(scales: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return scales.reshape(-1, *[1] * (rows.ndim - 1))
