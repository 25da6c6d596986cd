"""One ONNX graph of backbone, captioner and greedy decoding.

Inputs:
    pixels  uint8 [batch, height, width, 3], as data.load_pixels gives them
    forced  int64 [batch or 1, n], optional: tokens to write instead of the
            model's choice, -1: its choice (for parity checks)
Outputs:
    tokens  int64 [batch, length], without <bos>; <eos>, then <pad>
    score   float32 [batch], minus the mean entropy of each token's choice, nats
    logits  float32 [batch, length, vocabulary]

torch.onnx exports two parts, encoder and one decoding step; they are joined
here by an ONNX Loop whose body is the step. The step's weights stay outside
the body, so that ONNX Runtime folds and packs them once. Weights are stored as
fp16 and cast to fp32, which ONNX Runtime does when it loads the graph.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from backbone import Backbone
from data import BOS, EOS, PAD
from model import NO_REPEAT, Captioner, KeysValues, ModelConfig

OPSET, IR = 20, 10  # what ONNX Runtime 1.24 reads, and older ones from 1.18 on
HALF_FROM = 1024  # numbers; smaller tensors stay fp32


def round_weights(*modules: nn.Module) -> None:
    """Gives PyTorch the weights that the graph will have: large ones in fp16's precision."""
    with torch.no_grad():
        for weights in (p for module in modules for p in module.parameters()):
            if weights.numel() >= HALF_FROM:
                weights.copy_(weights.half().float())


class _Encoder(nn.Module):
    def __init__(self, backbone: Backbone, captioner: Captioner) -> None:
        super().__init__()
        self.backbone, self.captioner = backbone, captioner

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return _flat(self.captioner.encode(self.backbone(pixels)))


class _Step(nn.Module):
    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(
        self, recent: Tensor, place: Tensor, memory: list[Tensor], past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        embedded = self.captioner.place.index_select(0, place)
        logits, present = self.captioner.step(recent, embedded, _pairs(memory), _pairs(past))
        return logits, *_flat(present)


def _flat(pairs: Sequence[KeysValues]) -> tuple[Tensor, ...]:
    return tuple(tensor for pair in pairs for tensor in pair)


def _pairs(flat: Sequence[Tensor]) -> list[KeysValues]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _numbered(name: str, c: ModelConfig) -> list[str]:
    return [f"{name}.{i}" for i in range(2 * c.decoder_layers)]


def _export(module: nn.Module, inputs: tuple, shapes: tuple, names: tuple, prefix: str):
    program = torch.onnx.export(
        module.eval(),
        inputs,
        input_names=names[0],
        output_names=names[1],
        dynamic_shapes=shapes,
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    graph = program.model_proto.graph
    del graph.value_info[:], graph.metadata_props[:]
    for node in graph.node:  # where in whose home directory the line stood
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*graph.input, *graph.output, *graph.initializer]:
        del value.metadata_props[:]
    return compose.add_prefix_graph(graph, prefix)


def _export_encoder(backbone: Backbone, captioner: Captioner) -> onnx.GraphProto:
    c = captioner.config
    pixels = torch.zeros(2, c.size, c.size, 3, dtype=torch.uint8)
    names = (["pixels"], _numbered("memory", c))
    shapes = ({0: torch.export.Dim("batch")},)
    return _export(_Encoder(backbone, captioner), (pixels,), shapes, names, "encoder.")


def _export_step(captioner: Captioner) -> onnx.GraphProto:
    c = captioner.config
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    count, head = 2 * c.decoder_layers, c.width // c.heads
    memory = [torch.zeros(3, c.heads, c.positions, head) for _ in range(count)]
    past = [torch.zeros(3, c.heads, 5, head) for _ in range(count)]
    recent = torch.zeros(3, NO_REPEAT, dtype=torch.int64)
    place = torch.zeros(1, dtype=torch.int64)
    shapes = ({0: batch}, None, [{0: batch}] * count, [{0: batch, 2: length}] * count)
    names = (
        ["recent", "place", *_numbered("memory", c), *_numbered("past", c)],
        ["logits", *_numbered("present", c)],
    )
    return _export(_Step(captioner), (recent, place, memory, past), shapes, names, "step.")


def build(backbone: Backbone, captioner: Captioner) -> onnx.ModelProto:
    """The whole graph; see the top of this file."""
    c = captioner.config
    encoder, step = _export_encoder(backbone, captioner), _export_step(captioner)
    body, outside = _without_constants(step)
    constants = {
        "bos": np.array([[BOS]], np.int64),
        "recent_width": np.array([NO_REPEAT], np.int64),
        "pad": np.array(PAD, np.int64),
        "eos": np.array(EOS, np.int64),
        "yes": np.array([True]),
        "none": np.array([0], np.float32),
        "zero": np.array(0, np.int64),
        "one": np.array([1], np.int64),
        "past_shape": np.array([c.heads, 0, c.width // c.heads], np.int64),
        "empty": np.array([], np.float32).reshape(1, 1, 0, 1),
        "max_length": np.array([c.max_length], np.int64),
        "steps": np.array(c.max_length, np.int64),
        "go": np.array(True),
        "forced": np.array([[-1]], np.int64),
    }
    graph = helper.make_graph(
        [*encoder.node, *outside, *_before_loop(), _loop(body, c), *_after_loop()],
        "captioner",
        inputs=[
            _value("pixels", TensorProto.UINT8, ["batch", c.size, c.size, 3]),
            _value("forced", TensorProto.INT64, ["forced_batch", "forced_length"]),
        ],
        outputs=[
            _value("tokens", TensorProto.INT64, ["batch", "length"]),
            _value("score", TensorProto.FLOAT, ["batch"]),
            _value("logits", TensorProto.FLOAT, ["batch", "length", c.vocabulary]),
        ],
        initializer=[
            *encoder.initializer,
            *step.initializer,
            *(numpy_helper.from_array(array, name) for name, array in constants.items()),
        ],
    )
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == "encoder.pixels":
                node.input[i] = "pixels"
    _store_as_half(graph)
    model = helper.make_model(
        graph, producer_name="shoebox", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR
    onnx.checker.check_model(model, full_check=True)
    return model


def _without_constants(step: onnx.GraphProto) -> tuple[list, list]:
    """Splits the step's nodes: those of each step, and those that only see weights."""
    known = {tensor.name for tensor in step.initializer}
    body, outside = [], []
    for node in step.node:
        if all(name in known for name in node.input if name):
            known.update(node.output)
            outside.append(node)
        else:
            body.append(node)
    return body, outside


def _value(name: str, kind: int, shape: Sequence[int | str] | None):
    return helper.make_tensor_value_info(name, kind, shape)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def _before_loop() -> list[onnx.NodeProto]:
    """What the loop begins with: <bos>, nothing ended, no past, forced tokens filled up."""
    return [
        _node("Shape", ["pixels"], "batch", start=0, end=1),
        _node("Concat", ["batch", "recent_width"], "recent_shape", axis=0),
        _node("Expand", ["bos", "recent_shape"], "recent_before"),
        _node("Expand", ["yes", "batch"], "running_before"),
        _node("Expand", ["none", "batch"], "total_before"),
        _node("Expand", ["none", "batch"], "count_before"),
        _node("Concat", ["batch", "past_shape"], "first_past_shape", axis=0),
        _node("Expand", ["empty", "first_past_shape"], "first_past"),
        _node("Shape", ["forced"], "forced_batch", start=0, end=1),
        _node("Concat", ["forced_batch", "max_length"], "free_shape", axis=0),
        _node(
            "ConstantOfShape",
            ["free_shape"],
            "free",
            value=numpy_helper.from_array(np.array([-1], np.int64)),
        ),
        _node("Concat", ["forced", "free"], "wanted", axis=1),
    ]


def _loop(step: list[onnx.NodeProto], c: ModelConfig) -> onnx.NodeProto:
    """The loop over the places of a caption; ends when every caption of the batch has."""
    pasts = [f"step.{name}" for name in _numbered("past", c)]
    presents = [f"step.{name}" for name in _numbered("present", c)]
    for node in step:
        for i, name in enumerate(node.input):
            if name.startswith("step.memory."):
                node.input[i] = name.replace("step.", "encoder.")
    nodes = [
        _node("Unsqueeze", ["place", "zero"], "step.place"),
        *step,
        _node("ArgMax", ["step.logits"], "best", axis=1, keepdims=0),
        _node("Gather", ["wanted", "place"], "wanted_here", axis=1),
        _node("Less", ["wanted_here", "zero"], "free_here"),
        _node("Where", ["free_here", "best", "wanted_here"], "choice"),
        _node("Where", ["running", "choice", "pad"], "written"),
        _node("Slice", ["step.recent", "one", "recent_width", "one"], "still_recent"),
        _node("Unsqueeze", ["written", "one"], "written_column"),
        _node("Concat", ["still_recent", "written_column"], "recent_now", axis=1),
        _node("LogSoftmax", ["step.logits"], "likelihoods", axis=-1),
        _node("Exp", ["likelihoods"], "probabilities"),
        _node("Mul", ["probabilities", "likelihoods"], "surprises"),
        _node("ReduceSum", ["surprises", "one"], "certainty", keepdims=0),
        _node("Where", ["running", "certainty", "none"], "gain"),
        _node("Add", ["total", "gain"], "total_now"),
        _node("Cast", ["running"], "running_number", to=TensorProto.FLOAT),
        _node("Add", ["count", "running_number"], "count_now"),
        _node("Equal", ["written", "eos"], "ended"),
        _node("Not", ["ended"], "not_ended"),
        _node("And", ["running", "not_ended"], "running_now"),
        _node("Cast", ["running_now"], "running_now_number", to=TensorProto.INT32),
        _node("ReduceMax", ["running_now_number"], "any_running", keepdims=0),
        _node("Cast", ["any_running"], "go_on", to=TensorProto.BOOL),
        _node("Identity", ["written"], "token_out"),
        _node("Identity", ["step.logits"], "logits_out"),
    ]
    batch, head = "batch", c.width // c.heads
    carried = {
        "step.recent": (TensorProto.INT64, [batch, NO_REPEAT]),
        "running": (TensorProto.BOOL, [batch]),
        "total": (TensorProto.FLOAT, [batch]),
        "count": (TensorProto.FLOAT, [batch]),
        **{name: (TensorProto.FLOAT, [batch, c.heads, None, head]) for name in pasts},
    }
    after = ["recent_now", "running_now", "total_now", "count_now", *presents]
    body = helper.make_graph(
        nodes,
        "step",
        inputs=[
            _value("place", TensorProto.INT64, []),
            _value("go_in", TensorProto.BOOL, []),
            *(_value(name, *kind) for name, kind in carried.items()),
        ],
        outputs=[
            _value("go_on", TensorProto.BOOL, []),
            *(_value(n, *k) for n, k in zip(after, carried.values(), strict=True)),
            _value("token_out", TensorProto.INT64, [batch]),
            _value("logits_out", TensorProto.FLOAT, [batch, c.vocabulary]),
        ],
    )
    before = ["recent_before", "running_before", "total_before", "count_before"]
    # ONNX Runtime 1.24 crashes when an output of a Loop has no name.
    unused = [f"last_{i}" for i in range(len(pasts))]
    after_loop = ["last_recent", "last_running", "total_after", "count_after", *unused]
    return helper.make_node(
        "Loop",
        ["steps", "go", *before, *["first_past"] * len(pasts)],
        [*after_loop, "token_rows", "logit_rows"],
        name="captions",
        body=body,
    )


def _after_loop() -> list[onnx.NodeProto]:
    return [
        _node("Transpose", ["token_rows"], "tokens", perm=[1, 0]),
        _node("Div", ["total_after", "count_after"], "score"),
        _node("Transpose", ["logit_rows"], "logits", perm=[1, 0, 2]),
    ]


def _store_as_half(graph: onnx.GraphProto) -> None:
    """Stores large fp32 weights as fp16, each with a Cast back to fp32."""
    casts = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size >= HALF_FROM:
            name = tensor.name
            stored = numpy_helper.from_array(array.astype(np.float16), f"{name}.fp16")
            tensor.CopyFrom(stored)
            casts.append(_node("Cast", [stored.name], name, to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


class Session:
    """The graph in ONNX Runtime."""

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        """Loads a serialised graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # it warns that `forced` has a default
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def run(self, pixels: np.ndarray, forced: np.ndarray | None = None) -> list[np.ndarray]:
        """Tokens, score and logits; see the top of this file."""
        inputs = {"pixels": pixels} | ({} if forced is None else {"forced": forced})
        return self.session.run(["tokens", "score", "logits"], inputs)

    def caption(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and score."""
        return tuple(self.run(pixels)[:2])
