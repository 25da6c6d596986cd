package onnx

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
*/
import "C"

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// providerFile lies beside the libonnxruntime.so of a CUDA build.
const providerFile = "libonnxruntime_providers_cuda.so"

// cudaOptions are those of ONNX Runtime's CUDA provider that are not as it has
// them by itself.
var cudaOptions = map[string]string{
	"device_id": "0",
	// Batches have many sizes. Trying all of cuDNN's algorithms anew for each, as
	// it does otherwise, takes longer than it saves.
	"cudnn_conv_algo_search": "HEURISTIC",
	// Otherwise each new piece of memory is twice as large as the one before.
	"arena_extend_strategy": "kSameAsRequested",
}

// IsCUDABuild says whether a libonnxruntime.so can use a GPU at all.
func IsCUDABuild(library string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(library), providerFile))
	return err == nil
}

// CheckCUDA loads the library and says why graphs cannot run on this machine's
// GPU; nil: they can. It takes 50 ms where there is a CUDA build and no GPU.
func CheckCUDA(library string) error {
	defer keepHandlers()()
	options, err := newCUDAOptions(library)
	if err != nil {
		return err
	}
	return options.Destroy()
}

// newCUDAOptions loads the CUDA provider, which looks for the GPU at once.
func newCUDAOptions(library string) (*ort.CUDAProviderOptions, error) {
	if err := preload(filepath.Join(filepath.Dir(library), providerFile)); err != nil {
		return nil, err
	}
	if err := loadLibrary(library); err != nil {
		return nil, err
	}
	options, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return nil, whyNotCUDA(err, library)
	}
	if err := options.Update(cudaOptions); err != nil {
		options.Destroy()
		return nil, whyNotCUDA(err, library)
	}
	return options, nil
}

var preloaded struct {
	sync.Mutex
	done map[string]bool
}

// preload loads the libraries of NVIDIA that lie beside the provider. It names
// them without a path, so that the system would look for them in its own
// folders and LD_LIBRARY_PATH only; one that is loaded already it takes. What
// does not lie there is left to the system.
func preload(provider string) error {
	preloaded.Lock()
	defer preloaded.Unlock()
	if preloaded.done[provider] {
		return nil
	}
	file, err := elf.Open(provider)
	if err != nil {
		return err
	}
	defer file.Close()
	names, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", provider, err)
	}
	for _, name := range names {
		path := filepath.Join(filepath.Dir(provider), name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := dlopen(path); err != nil {
			return err
		}
	}
	if preloaded.done == nil {
		preloaded.done = make(map[string]bool)
	}
	preloaded.done[provider] = true
	return nil
}

// dlopen loads a library for the life of the process.
func dlopen(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL) == nil {
		return errors.New(C.GoString(C.dlerror()))
	}
	return nil
}

// CUDAError says why a GPU cannot be used.
type CUDAError struct {
	Reason string
	Advice string // what to do about it
}

func (e *CUDAError) Error() string { return e.Reason }

// cudaFailure is how ONNX Runtime reports what the CUDA runtime said:
// "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; …".
var cudaFailure = regexp.MustCompile(`CUDA failure (\d+): ([^;]*[^; ])`)

// missingLibrary is how the dynamic linker says that it did not find one.
var missingLibrary = regexp.MustCompile(`lib[\w.+-]+\.so[.\d]*: cannot open shared object file`)

// whyNotCUDA makes of what ONNX Runtime says, with lines of its source, what a
// person can use.
func whyNotCUDA(err error, library string) error {
	const see = "see what `nvidia-smi` says"
	text := err.Error()
	found := cudaFailure.FindStringSubmatch(text)
	missing := missingLibrary.FindString(text)
	switch {
	case found != nil && found[1] == "35": // also what it says when there is no driver at all
		return &CUDAError{"there is no NVIDIA driver, or one that is too old for CUDA 12", "install version 525 or newer and " + see}
	case found != nil && found[1] == "100":
		return &CUDAError{"the NVIDIA driver finds no GPU", see}
	case found != nil:
		return &CUDAError{fmt.Sprintf("CUDA says %q (%s)", found[2], found[1]), see}
	case missing != "":
		return &CUDAError{missing, fmt.Sprintf("remove %s and fetch it again with `shoebox setup --device cuda`, or install the library",
			filepath.Dir(library))}
	}
	return err
}

// appendCUDA makes sessions run on the GPU.
func appendCUDA(options *ort.SessionOptions, library string) error {
	cuda, err := newCUDAOptions(library)
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	return options.AppendExecutionProviderCUDA(cuda)
}
