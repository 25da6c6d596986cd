package onnx

import (
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

// openWithin opens the shipped model with memory for so many bytes: the same
// arena that the runtime keeps of a GPU's memory, here of the processor's.
func openWithin(t *testing.T, bytes int) *Session {
	t.Helper()
	found, _ := runtime.Find("")
	a, err := model.Shipped()
	if err == nil {
		a, err = a.In(model.FP32)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := options(found.ONNXRuntime, a)
	limited, err := sessionOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	defer limited.Destroy()
	arena, err := ort.NewArenaCfg(bytes, 1, -1, -1) // 1: pieces as large as they are asked for
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Destroy()
	info, err := ort.GetMemoryInfo()
	if err != nil {
		t.Fatal(err)
	}
	if err := ort.CreateAndRegisterAllocator(info, arena); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ort.UnregisterAllocator(info); err != nil {
			t.Error(err)
		}
	})
	if err := limited.AddSessionConfigEntry("session.use_env_allocators", "1"); err != nil {
		t.Fatal(err)
	}
	s, err := newSession(o, limited, []string{inputPixels}, wanted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTheRuntimeWithoutMemoryForABatchAnswersItInParts(t *testing.T) {
	s := openWithin(t, 120<<20)
	all := readGolden(t)
	pictures := make([][]byte, 16)
	for i := range pictures {
		pictures[i] = readPixels(t, all[i%len(all)].PNG)
	}
	answers, err := s.Run(pictures)
	if err != nil {
		t.Fatal(err)
	}
	if most := s.batches.get(); most >= len(pictures) {
		t.Errorf("batches may have %d pictures", most)
	}
	for i, answer := range answers {
		checkLikeliest(t, all[i%len(all)].PNG, all[i%len(all)].Words, answer.Words)
	}
	if len(answers) != len(pictures) {
		t.Errorf("%d answers for %d pictures", len(answers), len(pictures))
	}
}
