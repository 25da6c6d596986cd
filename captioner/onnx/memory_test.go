package onnx

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// device is a runner that has room for so many pictures at once.
type device struct {
	room  int
	tried []int // sizes of batches
}

func (d *device) run(pictures [][]byte) ([]Answer, error) {
	d.tried = append(d.tried, len(pictures))
	if len(pictures) > d.room {
		return nil, errors.New("Non-zero status code returned while running Conv node: Failed to allocate memory for requested buffer of size 822083584")
	}
	answers := make([]Answer, len(pictures))
	for i, p := range pictures {
		answers[i].Words = []float32{float32(p[0])}
	}
	return answers, nil
}

func numbered(n int) [][]byte {
	pictures := make([][]byte, n)
	for i := range pictures {
		pictures[i] = []byte{byte(i)}
	}
	return pictures
}

func TestABatchThatDoesNotFitIsHalvedUntilItDoes(t *testing.T) {
	d, limit := device{room: 9}, batchLimit{}
	answers, err := limit.run(numbered(33), d.run)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if a.Words[0] != float32(i) {
			t.Errorf("answer %d is that of picture %g", i, a.Words[0])
		}
	}
	if len(answers) != 33 || !slices.Equal(d.tried, []int{33, 16, 8, 8, 8, 8, 1}) {
		t.Errorf("%d answers after batches of %d", len(answers), d.tried)
	}
	d.tried = nil
	if _, err := limit.run(numbered(10), d.run); err != nil || !slices.Equal(d.tried, []int{8, 2}) {
		t.Errorf("the next batch is run in parts of %d, %v", d.tried, err)
	}
}

func TestWithoutRoomForOnePictureThereIsAnError(t *testing.T) {
	d, limit := device{}, batchLimit{}
	if answers, err := limit.run(numbered(3), d.run); err == nil || !slices.Equal(d.tried, []int{3, 1}) {
		t.Errorf("%d answers after batches of %d, %v", len(answers), d.tried, err)
	}
}

func TestOtherFailuresAreNotTriedAgain(t *testing.T) {
	broken, limit, calls := errors.New("Invalid input name"), batchLimit{}, 0
	_, err := limit.run(numbered(8), func([][]byte) ([]Answer, error) { calls++; return nil, broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestWhatSaysThatThereIsNoMemoryIsKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"CUDA failure 2: out of memory ; GPU=0 ; hostname=vm":                                                 true,
		"CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0":                                                true,
		"Available memory of 1048576 is smaller than requested bytes of 4194304":                              true,
		"CUDA failure 201: invalid device context":                                                            false,
		"CUDA failure 700: an illegal memory access was encountered":                                          false,
		"CUDA failure 222: the provided PTX was compiled with an unsupported toolchain":                       false,
		"CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR":                                                     false,
		"CUDNN failure 4002: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; expr=cudnnCreate(handle)": true,
	} {
		if got := outOfMemory(fmt.Errorf("run the model: %w", errors.New(text))); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if outOfMemory(nil) {
		t.Error("no error is one")
	}
}
