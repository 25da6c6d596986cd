package captioner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

func TestTokensBecomeASentence(t *testing.T) {
	c := &Captioner{artifact: model.Artifact{Vocabulary: []string{"<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "t-shirt", "élan"}}}
	c.artifact.SpecialIDs.EOS = 2
	cases := []struct {
		name   string
		tokens []int64
		want   string
	}{
		{"words up to the end", []int64{4, 5, 2, 0, 0}, "A dog."},
		{"no end because it is as long as allowed", []int64{4, 6}, "A t-shirt."},
		{"a first letter beyond ASCII", []int64{7, 2}, "Élan."},
		{"nothing", []int64{2, 0}, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := c.sentence(tc.tokens); err != nil || got != tc.want {
				t.Errorf("%q, %v, want %q", got, err, tc.want)
			}
		})
	}
	if _, err := c.sentence([]int64{8}); err == nil {
		t.Error("a token beyond the vocabulary was taken")
	}
}

func openShipped(t *testing.T, dir string) (*Captioner, error) {
	t.Helper()
	found, _ := runtime.Find("")
	if found.ONNXRuntime == "" {
		t.Fatal("SHOEBOX_RUNTIME_DIR does not hold ONNX Runtime: `make test` fetches it and sets it")
	}
	return Open(Config{Library: found.ONNXRuntime, ModelDir: dir, Threads: 1})
}

func TestAnotherModelIsCheckedBeforeUse(t *testing.T) {
	whole := func(t *testing.T) string {
		dir := t.TempDir()
		for _, name := range []string{"model.onnx", "vocabulary.txt", "model.json"} {
			data, err := os.ReadFile(filepath.Join("model", name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	change := func(t *testing.T, dir string, key string, value any) {
		path := filepath.Join(dir, "model.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var info map[string]any
		if err := json.Unmarshal(text, &info); err != nil {
			t.Fatal(err)
		}
		info[key] = value
		text, _ = json.Marshal(info)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		says  string // empty: the model is good
	}{
		{"a copy of the shipped one", func(*testing.T, string) {}, ""},
		{"no graph", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "model.onnx")) }, "model.onnx"},
		{"a cut-off graph", func(t *testing.T, dir string) { os.Truncate(filepath.Join(dir, "model.onnx"), 1000) }, "SHA-256"},
		{"another vocabulary", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "vocabulary.txt"), []byte("a\nb\n"), 0o644)
		}, "vocabulary.txt"},
		{"a format of the future", func(t *testing.T, dir string) { change(t, dir, "format_version", 99) }, "format 99"},
		{"another input size", func(t *testing.T, dir string) {
			change(t, dir, "input", map[string]int{"width": 100, "height": 100})
		}, "does not work"},
		{"a special token that is none", func(t *testing.T, dir string) {
			change(t, dir, "special_ids", map[string]int{"eos": 99999})
		}, "special id"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := whole(t)
			tc.spoil(t, dir)
			c, err := openShipped(t, dir)
			if err == nil {
				c.Close()
			}
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("the error is %v, want %q in it", err, tc.says)
			}
		})
	}
}
