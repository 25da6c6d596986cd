"""The int8 graph is near the one it was made of."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from test_export import pictures, untrained

import graph
import quantize


@pytest.fixture(scope="module")
def model(dataset, tmp_path_factory) -> onnx.ModelProto:
    checkpoint = untrained(dataset, tmp_path_factory.mktemp("run"))
    graph.round_weights(checkpoint.backbone, checkpoint.network)
    return graph.build(checkpoint)


@pytest.fixture(scope="module")
def quantized(model) -> onnx.ModelProto:
    return quantize.quantize(model, pictures(20))


def session(model: onnx.ModelProto) -> graph.Session:
    return graph.Session(model.SerializeToString())


def test_inputs_and_outputs_stay(model, quantized):
    for one, other in ((model.graph.input, quantized.graph.input),
                       (model.graph.output, quantized.graph.output)):  # fmt: skip
        assert list(one) == list(other)
    theirs, ours = session(model).run(pictures(3), 5), session(quantized).run(pictures(3), 5)
    for name in ("words", "classes", "likelihood", "certainty"):
        assert theirs[name].shape == ours[name].shape


def test_answers_are_near(model, quantized):
    forced = np.array([[5, 6, 7, 8, 9, 10]])  # what is chosen after it may differ
    theirs, ours = (session(each).run(pictures(12), 1, forced) for each in (model, quantized))
    for name, near in (("words", 0.03), ("classes", 1e-3), ("cross_attention", 0.02)):
        assert np.abs(theirs[name] - ours[name]).mean() < near, name
    wanted, found = (each["logits"][:, : forced.shape[1] + 1] for each in (theirs, ours))
    wanted, found = wanted[wanted > -5e3], found[wanted > -5e3]  # the others are never written
    assert np.corrcoef(wanted, found)[0, 1] > 0.98
    assert np.abs(wanted - found).max() > 1e-3  # it was quantised


def test_a_picture_gets_the_same_whatever_is_in_its_batch(quantized):
    run, pixels = session(quantized).run, pictures(7)
    together = run(pixels)
    for row in range(7):
        alone = run(pixels[row : row + 1])
        length = alone["tokens"].shape[2]
        assert (together["tokens"][row, :, :length] == alone["tokens"][0]).all()
        for name in ("likelihood", "words", "classes"):
            assert np.abs(together[name][row] - alone[name][0]).max() < 1e-3


def test_all_large_weights_are_bytes(quantized):
    weights = [each for each in quantized.graph.initializer if not each.name.endswith(".step")]
    arrays = [numpy_helper.to_array(weight) for weight in weights]
    large = [array for array in arrays if array.size >= 4096]
    assert {array.dtype for array in large} == {np.dtype(np.int8), np.dtype(np.uint8)}
    kinds = [node.op_type for node in quantized.graph.node]
    assert "Gemm" not in kinds and kinds.count("MatMulNBits") == 1
    assert kinds.count("Conv") == 3 < kinds.count("QLinearConv")  # stem and first block
    body = next(n for n in quantized.graph.node if n.op_type == "Loop").attribute[0].g
    assert sum(node.op_type == "MatMulIntegerToFloat" for node in body.node) == 2 * 7 + 1


def test_what_rounding_does_to_the_mean_is_taken_off(model, monkeypatch):
    pixels = pictures(20)
    wanted = session(model).run(pixels)["classes"]

    def distance() -> float:
        quantized = quantize.quantize(model, pixels)
        far = np.log(session(quantized).run(pixels)["classes"] / wanted)
        return float(np.abs(far.mean(0)).mean())

    corrected = distance()
    mean = quantize.Range.mean.fget
    monkeypatch.setattr(quantize.Range, "mean", property(lambda self: 0 * mean(self)))
    assert corrected < 0.7 * distance()


def test_a_range_holds_zero_and_nearly_all_it_saw():
    seen = quantize.Range(1)
    seen.add(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    seen.add(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    assert seen.mean.tolist() == [1.5, 3.5]
    step, zero = seen.step_and_zero
    assert zero == 0 and step == pytest.approx(4 / 255, rel=1e-3)
    below = quantize.Range(1)
    below.add(np.array([[[-3.0, 0.0], [5.0, 9.0]]]))
    step, zero = map(float, below.step_and_zero)
    assert step * (0 - zero) == pytest.approx(-3, abs=step)
    assert step * (255 - zero) == pytest.approx(9, abs=step)
