"""One ONNX graph of everything: backbone, captioner with beam search, picture words, classes.

Inputs:
    pixels      uint8 [B, height, width, 3], as data.load_pixels gives them
    beams       int64, optional: hypotheses a picture, 1 is greedy decoding
    forced      int64 [B or 1, n], optional: tokens to write instead of the
                model's choice, -1: its choice (for parity checks)
Outputs, as decode.Captions has them, best hypothesis first:
    tokens      int64 [B, K, T], without <bos>; <eos>, then <pad>
    likelihood  float32 [B, K], log-probability of the tokens, nats
    certainty   float32 [B, K], minus the mean entropy of each token's choice, nats
    cross_attention float32 [B, T, side, side], where each token of the best hypothesis
                looked on the picture: mean of all heads of the last two decoder layers, of sum 1
    logits      float32 [B, T, V], what the first beam chose from at each step
and of the pictures:
    words       float32 [B, W], probability of each picture word
    classes     float32 [B, 1000], probability of each ImageNet class

torch.onnx exports the parts of loop.py; they are joined here by an ONNX Loop
whose body is the step. The step's weights stay outside the body, so that ONNX
Runtime folds and packs them once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from data import BOS
from loop import STATE, Begin, End, Step
from model import HISTORY, Captioner, ModelConfig
from network import Checkpoint

OPSET, IR = 20, 10  # what ONNX Runtime 1.24 reads, and older ones from 1.18 on
HALF_FROM = 1024  # numbers; smaller tensors stay fp32
OUTPUTS = ("tokens", "likelihood", "certainty", "cross_attention", "logits", "words", "classes")


def round_weights(*modules: nn.Module) -> None:
    """Gives PyTorch the weights of an fp16 graph: large ones in fp16's precision."""
    with torch.no_grad():
        for weights in (p for module in modules for p in module.parameters()):
            if weights.numel() >= HALF_FROM:
                weights.copy_(weights.half().float())


def build(model: Checkpoint) -> onnx.ModelProto:
    """The whole graph; see the top of this file.

    What fp16 holds exactly is stored as fp16, each with a Cast back to fp32,
    which ONNX Runtime does when it loads the graph: after round_weights, all
    large weights.
    """
    c = model.config
    begin, step, end = _export_begin(model), _export_step(model), _export_end(c)
    body, outside = _without_constants(step)
    constants = {
        "beams": np.array(model.decoding.beams, np.int64),
        "forced": np.array([[-1]], np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "one_row": np.array([1], np.int64),
        "same_same_all": np.array([0, 0, -1], np.int64),
        "steps": np.array(c.max_length, np.int64),
        "go": np.array(True),
    }
    before = [
        _node("Range", ["zero", "beams", "one"], "beam_numbers"),
        _node("Shape", ["pixels"], "batch", start=0, end=1),
        _node("Concat", ["batch", "one_row"], "batch_rows", axis=0),
        _node("Expand", ["forced", "batch_rows"], "all_forced"),
    ]
    between = [  # T * K tokens -> [T, K], what torch.export takes for two kinds of numbers
        _node("Unsqueeze", ["beams", "zero"], "beams_row"),
        _node("Concat", ["same_same_all", "beams_row"], "places", axis=0),
        _node("Reshape", ["last.seen", "places"], "seen_places"),
    ]
    graph = helper.make_graph(
        [*before, *begin.node, *outside, _loop(body, model.network.captioner), *between, *end.node],
        "captioner",
        inputs=[
            _value("pixels", TensorProto.UINT8, ["batch", c.size, c.size, 3]),
            _value("beams", TensorProto.INT64, []),
            _value("forced", TensorProto.INT64, ["forced_batch", "forced_length"]),
        ],
        outputs=[
            _value("tokens", TensorProto.INT64, ["batch", "beams", "length"]),
            _value("likelihood", TensorProto.FLOAT, ["batch", "beams"]),
            _value("certainty", TensorProto.FLOAT, ["batch", "beams"]),
            _value("cross_attention", TensorProto.FLOAT, ["batch", "length", c.side, c.side]),
            _value("logits", TensorProto.FLOAT, ["batch", "length", c.vocabulary]),
            _value("words", TensorProto.FLOAT, ["batch", c.picture_words]),
            _value("classes", TensorProto.FLOAT, ["batch", 1000]),
        ],
        initializer=[
            *begin.initializer,
            *step.initializer,
            *end.initializer,
            *(numpy_helper.from_array(array, name) for name, array in constants.items()),
        ],
    )
    store_as_half(graph)
    onnx_model = helper.make_model(
        graph, producer_name="shoebox", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx_model.ir_version = IR
    onnx.checker.check_model(onnx_model, full_check=True)
    return onnx_model


def _numbered(name: str, c: ModelConfig) -> list[str]:
    """Names of the keys and values of each decoder layer."""
    return [f"{name}.{i}" for i in range(2 * c.decoder_layers)]


def _carried(after: str, c: ModelConfig) -> list[str]:
    """Names of what the loop carries, before ("") or after ("next.") a step."""
    return [f"{after}{name}" for name in (*STATE, *_numbered("past", c))]


# Sizes that torch.onnx leaves open. It wants to hear that there are more words than beams
# and that a history is cut; the graph takes the first history, which is not, as well.
B, T = torch.export.Dim("batch"), torch.export.Dim("length")
K, H = torch.export.Dim("beams", max=9), torch.export.Dim("history", min=HISTORY + 1)


class _Input(NamedTuple):
    """An input of a part: its name, an example, and which of its axes are open."""

    name: str
    example: Tensor
    axes: dict[int, torch.export.Dim]


def _export(
    module: nn.Module,
    inputs: Sequence[_Input | list[_Input]],
    outputs: Sequence[str],
    prefix: str,
) -> onnx.GraphProto:
    """A part as ONNX; all names within it get the prefix, those of inputs and outputs do not."""
    flat = [one for each in inputs for one in (each if isinstance(each, list) else [each])]
    program = torch.onnx.export(
        module.eval(),
        _each(inputs, lambda one: one.example),
        input_names=[one.name for one in flat],
        output_names=list(outputs),
        dynamic_shapes=_each(inputs, lambda one: one.axes),
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
    return compose.add_prefix_graph(graph, prefix, rename_inputs=False, rename_outputs=False)


def _each(inputs: Sequence[_Input | list[_Input]], of: Callable[[_Input], object]) -> tuple:
    return tuple([of(o) for o in one] if isinstance(one, list) else of(one) for one in inputs)


def _export_begin(model: Checkpoint) -> onnx.GraphProto:
    c = model.config
    inputs = [
        _Input("pixels", torch.zeros(2, c.size, c.size, 3, dtype=torch.uint8), {0: B}),
        _Input("all_forced", torch.full((2, 4), -1), {0: B, 1: torch.export.Dim("forced")}),
        _Input("beam_numbers", torch.arange(3), {0: K}),
    ]
    outputs = ["words", "classes", "boost", "offset", "wanted", *_numbered("memory", c)]
    return _export(Begin(model), inputs, [*outputs, *_carried("first.", c)], "begin.")


def _export_step(model: Checkpoint) -> onnx.GraphProto:
    c = model.config

    def keys(length: int) -> Tensor:
        shape = (2, c.heads, length, c.width // c.heads)
        return model.network.captioner.place.new_zeros(shape)

    inputs = [
        _Input("place", torch.tensor(0), {}),
        _Input("wanted", torch.full((2, c.max_length), -1), {0: B}),
        _Input("boost", torch.zeros(2, c.vocabulary), {0: B}),
        _Input("offset", torch.zeros(2, 1, c.vocabulary), {0: B}),
        [_Input(name, keys(c.positions), {0: B}) for name in _numbered("memory", c)],
        _Input("history", torch.full((2, 3, HISTORY + 5), BOS), {0: B, 1: K, 2: H}),
        _Input("likelihood", torch.zeros(2, 3), {0: B, 1: K}),
        _Input("entropy", torch.zeros(2, 3), {0: B, 1: K}),
        _Input("count", torch.zeros(2, 3), {0: B, 1: K}),
        _Input("running", torch.ones(2, 3, dtype=torch.bool), {0: B, 1: K}),
        _Input("seen", torch.ones(2, 3, 15, dtype=torch.bool), {0: B, 1: K, 2: T}),
        [_Input(name, keys(15), {0: B, 2: T}) for name in _numbered("past", c)],
    ]
    outputs = ["go_on", *_carried("next.", c), "looked", "step_logits"]
    step = Step(model.network.captioner, model.decoding.length_penalty)
    return _export(step, inputs, outputs, "step.")


def _export_end(c: ModelConfig) -> onnx.GraphProto:
    inputs = [
        _Input("last.history", torch.full((2, 3, HISTORY + 5), BOS), {0: B, 1: K, 2: H}),
        _Input("last.entropy", torch.zeros(2, 3), {0: B, 1: K}),
        _Input("last.count", torch.ones(2, 3), {0: B, 1: K}),
        _Input("seen_places", torch.ones(2, 3, 5, 3, dtype=torch.bool), {0: B, 1: K, 2: T, 3: K}),
        _Input("looked_rows", torch.zeros(5, 2, 3, c.positions), {0: T, 1: B, 2: K}),
        _Input("logit_rows", torch.zeros(5, 2, c.vocabulary), {0: T, 1: B}),
    ]
    return _export(End(), inputs, ["tokens", "certainty", "cross_attention", "logits"], "end.")


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


def _value(name: str, kind: int, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def _loop(step: list[onnx.NodeProto], captioner: Captioner) -> onnx.NodeProto:
    """The loop over the places of a caption; ends when every hypothesis of the batch has."""
    c = captioner.config
    states = helper.np_dtype_to_tensor_dtype(captioner.place.detach().numpy().dtype)
    rows, past = ["batch", "beams"], ["batch", c.heads, None, c.width // c.heads]
    kinds = [
        (TensorProto.INT64, [*rows, None]),
        *[(TensorProto.FLOAT, rows)] * 3,
        (TensorProto.BOOL, rows),
        (TensorProto.BOOL, [*rows, None]),
        *[(states, past)] * (2 * c.decoder_layers),
    ]
    body = helper.make_graph(
        step,
        "step",
        inputs=[
            _value("place", TensorProto.INT64, []),
            _value("go_in", TensorProto.BOOL, []),
            *(_value(n, *kind) for n, kind in zip(_carried("", c), kinds, strict=True)),
        ],
        outputs=[
            _value("go_on", TensorProto.BOOL, []),
            *(_value(n, *kind) for n, kind in zip(_carried("next.", c), kinds, strict=True)),
            _value("looked", TensorProto.FLOAT, [*rows, c.positions]),
            _value("step_logits", TensorProto.FLOAT, ["batch", c.vocabulary]),
        ],
    )
    # ONNX Runtime 1.24 crashes when an output of a Loop has no name.
    after = _carried("last.", c)
    after[STATE.index("likelihood")] = "likelihood"  # one of the graph's
    return helper.make_node(
        "Loop",
        ["steps", "go", *_carried("first.", c)],
        [*after, "looked_rows", "logit_rows"],
        name="captions",
        body=body,
    )


def store_as_half(graph: onnx.GraphProto) -> None:
    """Stores large fp32 weights as fp16, each with a Cast back, where nothing is lost by it."""
    casts = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < HALF_FROM:
            continue
        half = array.astype(np.float16)
        if np.array_equal(half.astype(np.float32), array):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.fp16"))
            casts.append(_node("Cast", [tensor.name], name, to=TensorProto.FLOAT))
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
        options.log_severity_level = 3  # it warns that inputs have defaults
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def run(
        self,
        pixels: np.ndarray,
        beams: int | None = None,
        forced: np.ndarray | None = None,
        outputs: Sequence[str] = OUTPUTS,
    ) -> dict[str, np.ndarray]:
        """Outputs by name; see the top of this file."""
        given = {"beams": None if beams is None else np.array(beams), "forced": forced}
        inputs = {"pixels": pixels} | {k: v for k, v in given.items() if v is not None}
        return dict(zip(outputs, self.session.run(list(outputs), inputs), strict=True))
