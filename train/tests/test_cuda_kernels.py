"""Every operator of the shipped graph runs on a GPU, except named ones."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

TESTS = Path(__file__).parent
SHIPPED = TESTS.parent.parent / "captioner" / "model" / "model.onnx"

# What has no kernel for the version of the operator set that the graph is written in.
# ONNX Runtime runs them on the processor and copies to and fro.
NOT_ON_THE_GPU = {"Equal", "ReduceMax", "ConstantOfShape"}
# Which input the kernel's types are about, where it is not the first.
DATA = {"Where": 1}


def read_kernels() -> dict[str, list[tuple[int, int | None, set[str]]]]:
    """First version, last version (None: the same), and types, by operator."""
    kernels = {}
    for line in (TESTS / "cuda_kernels.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, versions, types = line.split("\t")
        first, _, last = versions.strip("[]").rstrip("+").partition(", ")
        entry = (int(first), int(last) if last else None, set(types.split()))
        kernels.setdefault(name, []).append(entry)
    return kernels


def nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """All nodes, also those of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


def types(graph: GraphProto) -> dict[str, str]:
    """The element type of each value that is known; names are unique in our graphs."""
    found = {one.name: one.data_type for one in graph.initializer}
    for one in [*graph.input, *graph.output, *graph.value_info]:
        found[one.name] = one.type.tensor_type.elem_type
    names = {name: TensorProto.DataType.Name(kind).lower() for name, kind in found.items() if kind}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                names |= types(attribute.g)
    return names


def without_kernel(model: ModelProto) -> dict[str, str]:
    """Operators of the graph that ONNX Runtime has no CUDA kernel for, and why."""
    model = onnx.shape_inference.infer_shapes(model)
    versions = {one.domain: one.version for one in model.opset_import}
    kinds, kernels, missing = types(model.graph), read_kernels(), {}
    for node in nodes(model.graph):
        name = f"{node.domain}.{node.op_type}".lstrip(".")
        since = 1
        if not node.domain:
            since = onnx.defs.get_schema(node.op_type, versions[""]).since_version
        fitting = [
            types
            for first, last, types in kernels.get(name, [])
            if first == since or (last is not None and first < since <= last)
        ]
        kind = kinds.get(node.input[DATA.get(node.op_type, 0)])
        if not fitting:
            missing[name] = f"version {since}"
        # onnx cannot tell the types behind operators of Microsoft's own.
        elif kind is not None and not any(kind in types for types in fitting):
            missing[name] = f"{kind}: {node.name}"
    return missing


def test_every_operator_of_the_shipped_graph_runs_on_a_gpu_except_named_ones():
    missing = without_kernel(onnx.load(SHIPPED))
    assert set(missing) <= NOT_ON_THE_GPU, missing


def test_an_operator_without_a_kernel_is_noticed_inside_a_loop_too():
    model = onnx.load(SHIPPED)
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    body = next(attribute.g for attribute in loop.attribute if attribute.name == "body")
    softmax = next(node for node in nodes(body) if node.op_type == "LogSoftmax")
    softmax.op_type = "Hardmax"
    assert "Hardmax" in without_kernel(model)


def test_a_type_without_a_kernel_is_noticed():
    text = onnx.helper.make_tensor_value_info("x", TensorProto.STRING, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "strings",
        [text],
        [onnx.helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    assert list(without_kernel(model)) == ["Identity"]
