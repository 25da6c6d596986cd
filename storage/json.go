package storage

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Finite is f, or 0, which means unknown, where JSON cannot hold it: NaN from a
// crafted file must stop nothing.
func Finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// JSONPath gives a path as JSON can hold it: names of files are bytes and need
// not be UTF-8. Replacement characters stand in then, and exact has the bytes.
func JSONPath(path string) (text string, exact []byte) {
	if utf8.ValidString(path) {
		return path, nil
	}
	return strings.ToValidUTF8(path, "\uFFFD"), []byte(path)
}

// JSONPaths are the paths of a photo's files as JSON can hold them, the first
// one apart. Where one of them is not UTF-8, the exact bytes are beside it.
type JSONPaths struct {
	Path     string   `json:"path"`
	PathB64  []byte   `json:"path_b64,omitempty"`
	Paths    []string `json:"paths"`
	PathsB64 [][]byte `json:"paths_b64,omitempty"` // of all, if one needs it
}

// NewJSONPaths prepares paths for JSON.
func NewJSONPaths(paths []string) JSONPaths {
	p := JSONPaths{Paths: []string{}} // [] and never null
	exact := true
	for _, path := range paths {
		text, bytes := JSONPath(path)
		exact = exact && bytes == nil
		p.Paths, p.PathsB64 = append(p.Paths, text), append(p.PathsB64, []byte(path))
	}
	if exact {
		p.PathsB64 = nil
	}
	if len(paths) > 0 {
		p.Path, p.PathB64 = JSONPath(paths[0])
	}
	return p
}

// Exact are the paths again.
func (p JSONPaths) Exact() []string {
	if p.PathsB64 == nil {
		return p.Paths
	}
	exact := make([]string, len(p.PathsB64))
	for i, path := range p.PathsB64 {
		exact[i] = string(path)
	}
	return exact
}
