package model

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// artifact is the files of a model whose graphs are a few bytes; change
// spoils its model.json.
func artifact(t *testing.T, change func(info map[string]any)) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{
		"model.onnx":      {Data: []byte("graph")},
		"model-int8.onnx": {Data: []byte("graph in bytes")},
		"vocabulary.txt":  {Data: []byte("<pad>\n<bos>\n<eos>\n<unk>\ndog\n")},
		"words.tsv":       {Data: []byte("dog\t0.1\tdog\n")},
		"classes.txt":     {Data: []byte("n1\tdog\n")},
	}
	sums := make(map[string]string)
	for name, file := range files {
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(file.Data))
	}
	info := map[string]any{
		"format_version": formatVersion, "name": "little", "input": map[string]int{"width": 8, "height": 8},
		"special_ids": map[string]int{"pad": 0, "bos": 1, "eos": 2, "unk": 3}, "max_length": 5,
		"unsure_below": -2.5, "smallest_probability": 0.0001, "sha256": sums,
	}
	change(info)
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	files["model.json"] = &fstest.MapFile{Data: text}
	return files
}

func TestEachPrecisionHasItsGraphItsHashAndItsThreshold(t *testing.T) {
	a, err := read(artifact(t, func(info map[string]any) { info["unsure_below_int8"] = -3 }))
	if err != nil {
		t.Fatal(err)
	}
	if a.Precision != FP32 { // no cpu_precision
		t.Errorf("by itself it is %s", a.Precision)
	}
	var hashes []string
	for _, want := range []struct {
		precision Precision
		graph     string
		title     string
		threshold float64
	}{{FP32, "graph", "little", -2.5}, {INT8, "graph in bytes", "little int8", -3}} {
		got, err := a.In(want.precision)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.ONNX) != want.graph || got.Title() != want.title || got.Threshold() != want.threshold || got.Precision != want.precision {
			t.Errorf("%s: graph %q, %q, threshold %g", want.precision, got.ONNX, got.Title(), got.Threshold())
		}
		hashes = append(hashes, got.Hash)
	}
	if hashes[0] == hashes[1] || !slices.Equal(hashes, a.hashes()) {
		t.Errorf("hashes are %v, hashes says %v", hashes, a.hashes())
	}
}

func TestAModelWithoutInt8IsFoundOutWhenItIsAskedForIt(t *testing.T) {
	files := artifact(t, func(info map[string]any) { delete(info["sha256"].(map[string]string), "model-int8.onnx") })
	a, err := read(files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.In(INT8); err == nil || !strings.Contains(err.Error(), "--precision fp32") {
		t.Errorf("int8 gives %v", err)
	}
	if got := a.hashes(); !slices.Equal(got, []string{a.Hash}) {
		t.Errorf("its hashes are %v, it is %s", got, a.Hash)
	}
	if _, err := a.In("fp8"); err == nil {
		t.Error("fp8 was taken for a precision")
	}
	if a.Threshold() != -2.5 {
		t.Errorf("the threshold is %g", a.Threshold())
	}
}

func TestAnotherGraphThanTheOneInModelJSONIsRefused(t *testing.T) {
	for _, name := range []string{"model.onnx", "model-int8.onnx"} {
		files := artifact(t, func(map[string]any) {})
		files[name] = &fstest.MapFile{Data: []byte("something else")}
		a, err := read(files)
		if err == nil {
			_, err = a.In(INT8)
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestAThresholdForAllIsThatOfInt8Too(t *testing.T) {
	a, err := read(artifact(t, func(map[string]any) {}))
	if err == nil {
		a, err = a.In(INT8)
	}
	if err != nil || a.Threshold() != -2.5 {
		t.Errorf("the threshold is %g, %v", a.Threshold(), err)
	}
}

func TestTheShippedModelsHashesAreKnownWithoutItsGraphs(t *testing.T) {
	a, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := ShippedHashes()
	if err != nil || !slices.Equal(hashes, a.hashes()) || !slices.Contains(hashes, a.Hash) {
		t.Errorf("ShippedHashes() = %v, %v; the model is %s", hashes, err, a.Hash)
	}
}
