package captioner

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/captioner/model"
	"shoebox/captioner/picture"
	"shoebox/cmd/shoebox/runtime"
	"shoebox/storage"
)

func TestTokensBecomeASentence(t *testing.T) {
	c := &Captioner{artifact: model.Artifact{Tokens: []string{"<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "t-shirt", "élan"}}}
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
	return Open(Config{Library: found.ONNXRuntime, ModelDir: dir, Threads: 1, Device: CPU})
}

func TestAnotherModelIsCheckedBeforeUse(t *testing.T) {
	whole := func(t *testing.T) string {
		dir := t.TempDir()
		graphs, err := filepath.Glob(filepath.Join("model", "model*.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"vocabulary.txt", "words.tsv", "classes.txt", "model.json"}
		for _, graph := range graphs {
			names = append(names, filepath.Base(graph))
		}
		for _, name := range names {
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
	replace := func(t *testing.T, dir, name, text string) {
		artifact, err := model.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		sums := map[string]string{
			"model.onnx": artifact.SHA256.ONNX, "model-int8.onnx": artifact.SHA256.ONNXINT8,
			"vocabulary.txt": artifact.SHA256.Vocabulary,
			"words.tsv":      artifact.SHA256.Words, "classes.txt": artifact.SHA256.Classes,
		}
		sums[name] = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		change(t, dir, "sha256", sums)
	}
	graphs := []string{"model.onnx", "model-int8.onnx"} // the processor decides which is opened
	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		says  string // empty: the model is good
	}{
		{"a copy of the shipped one", func(*testing.T, string) {}, ""},
		{"no graph", func(t *testing.T, dir string) {
			for _, graph := range graphs {
				os.Remove(filepath.Join(dir, graph))
			}
		}, ".onnx"},
		{"a cut-off graph", func(t *testing.T, dir string) {
			for _, graph := range graphs {
				os.Truncate(filepath.Join(dir, graph), 1000)
			}
		}, "SHA-256"},
		{"another vocabulary", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "vocabulary.txt"), []byte("a\nb\n"), 0o644)
		}, "vocabulary.txt"},
		{"other picture words", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "words.tsv"), []byte("dog\t0.1\tdogs\n"), 0o644)
		}, "words.tsv"},
		{"no classes", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "classes.txt")) }, "classes.txt"},
		{"fewer picture words than the graph has, with their hash", func(t *testing.T, dir string) {
			replace(t, dir, "words.tsv", "dog\t0.1\tdogs\n")
		}, "picture words"},
		{"a format of the future", func(t *testing.T, dir string) { change(t, dir, "format_version", 99) }, "format 99"},
		{"the format of the past", func(t *testing.T, dir string) { change(t, dir, "format_version", 1) }, "train/export.py"},
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

func TestADescriptionSaysMoreThanTheCaption(t *testing.T) {
	c, err := openShipped(t, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var pictures [][]byte
	for _, name := range []string{"coffee.png", "chelsea.png"} {
		data, err := os.ReadFile(filepath.Join("..", "testdata", "photos", name))
		if err != nil {
			t.Fatal(err)
		}
		pic, err := picture.Decode(data, c.Size())
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, pic.Pixels)
	}
	descriptions, err := c.Describe(pictures)
	if err != nil {
		t.Fatal(err)
	}
	v := c.Vocabulary()
	for i, d := range descriptions {
		if d.Caption.Model != c.Hash() || d.Caption.Score >= 0 || d.Seen.Model != c.Hash() {
			t.Errorf("picture %d is captioned %+v, seen by %s", i, d.Caption, d.Seen.Model)
		}
		texts := map[string]bool{d.Caption.Text: true}
		for _, other := range d.Seen.Others {
			texts[other.Text] = true
		}
		if len(texts) < 2 || len(texts) != 1+len(d.Seen.Others) {
			t.Errorf("%q is followed by %+v", d.Caption.Text, d.Seen.Others)
		}
		for word, evidence := range d.Seen.Words {
			if want := v.Evidence(word, float64(d.Words[word])); evidence != want {
				t.Errorf("the evidence of %q is %d, want %d", v.Words[word].Stem, evidence, want)
			}
		}
		if len(d.Seen.Words) != len(v.Words) {
			t.Errorf("%d words were seen, the vocabulary has %d", len(d.Seen.Words), len(v.Words))
		}
		sum := 0.0
		for _, p := range d.Classes {
			sum += float64(p)
		}
		if math.Abs(sum-1) > 1e-3 {
			t.Errorf("the classes' probabilities add up to %g", sum)
		}
	}
	if cat := descriptions[1].Seen.Classes[0]; v.Classes[cat.Class].Name != "Egyptian cat" && v.Classes[cat.Class].Name != "tabby, tabby cat" {
		t.Errorf("a tabby is most likely a %s, %+v", v.Classes[cat.Class].Name, cat)
	}
}

func TestTheLikeliestClassesAreKept(t *testing.T) {
	got := likeliest([]float32{0.01, 0.1, 0.039, 0.04, 0.2, 0.15, 0.12, 0.341})
	want := []storage.ClassShare{{Class: 7, Probability: 0.341}, {Class: 4, Probability: 0.2}, {Class: 5, Probability: 0.15},
		{Class: 6, Probability: 0.12}, {Class: 1, Probability: 0.1}}
	if !slices.EqualFunc(got, want, func(a, b storage.ClassShare) bool {
		return a.Class == b.Class && math.Abs(a.Probability-b.Probability) < 1e-6
	}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := likeliest([]float32{0.019, 0.01}); got != nil {
		t.Errorf("of improbable ones %+v are kept", got)
	}
}

func TestAPictureLooksLikeWhatIsLikelyAndUnusual(t *testing.T) {
	c := &Captioner{artifact: model.Artifact{Vocabulary: storage.Vocabulary{Smallest: 1e-4, Words: []storage.PictureWord{
		{Stem: "man", Prior: 0.5, Forms: []string{"man", "men"}},
		{Stem: "dog", Prior: 0.1, Forms: []string{"dogs", "dog"}},
		{Stem: "abacu", Prior: 0.00001, Forms: []string{"abacus"}},
		{Stem: "snow", Prior: 0.05, Forms: []string{"snow"}},
		{Stem: "beach", Prior: 0.05, Forms: []string{"beach"}},
	}}}}
	d := Description{Words: []float32{0.6, 0.9, 0.001, 0.4, 0.01}}
	for n, want := range map[int]string{0: "", 2: "dogs snow", 9: "dogs snow man abacus"} {
		var words []string
		for _, likely := range c.LooksLike(d, n) {
			words = append(words, likely.Word)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("the %d words that tell most are %q, want %q", n, got, want)
		}
	}
}
