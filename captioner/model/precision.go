package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"golang.org/x/sys/cpu"
)

// Precision is what a graph computes with.
type Precision string

// The precisions.
const (
	FP32 Precision = "fp32" // any device
	INT8 Precision = "int8" // CPUs only; an artifact may be without
)

// forCPU is what this machine's processor runs the model in, unless somebody
// wants another. Without instructions for products of bytes int8 is no faster.
func (a Artifact) forCPU() Precision {
	if a.CPUPrecision == INT8 && (cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI) {
		return INT8
	}
	return FP32
}

// In returns the same model in a precision.
func (a Artifact) In(p Precision) (Artifact, error) {
	name, sum, err := a.graph(p)
	if err != nil {
		return a, err
	}
	if a.ONNX, err = readChecked(a.files, name, sum); err != nil {
		return a, err
	}
	a.Precision, a.Hash = p, a.hash(sum)
	return a, nil
}

// graph is the file of a precision and its SHA-256.
func (a Artifact) graph(p Precision) (name, sum string, err error) {
	switch {
	case p == FP32:
		return "model.onnx", a.SHA256.ONNX, nil
	case p != INT8:
		return "", "", fmt.Errorf("there is no precision %q, only %s and %s", p, FP32, INT8)
	case a.SHA256.ONNXINT8 == "":
		return "", "", fmt.Errorf("model %q has no %s graph: use --precision %s", a.Name, INT8, FP32)
	}
	return "model-int8.onnx", a.SHA256.ONNXINT8, nil
}

func (i Info) hash(graph string) string {
	sum := sha256.Sum256([]byte(graph + i.SHA256.Vocabulary + i.SHA256.Words + i.SHA256.Classes))
	return hex.EncodeToString(sum[:])
}

// hashes are the Artifact.Hash of the model in each precision that it has.
func (i Info) hashes() []string {
	hashes := []string{i.hash(i.SHA256.ONNX)}
	if i.SHA256.ONNXINT8 != "" {
		hashes = append(hashes, i.hash(i.SHA256.ONNXINT8))
	}
	return hashes
}

// Title names the model and its precision, for people.
func (a Artifact) Title() string {
	if a.Precision == INT8 {
		return a.Name + " int8"
	}
	return a.Name
}

// Threshold is the certainty below which a caption is unsure, nats a token.
func (a Artifact) Threshold() float64 {
	if a.Precision == INT8 && a.UnsureBelowINT8 != nil {
		return *a.UnsureBelowINT8
	}
	return *a.UnsureBelow
}
