package onnx

import (
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

var load struct {
	once sync.Once
	path string
	err  error
}

// loadLibrary loads libonnxruntime once in the life of the process.
func loadLibrary(path string) error {
	load.once.Do(func() {
		load.path = path
		if _, load.err = os.Stat(path); load.err != nil {
			return
		}
		ort.SetSharedLibraryPath(path)
		// What goes wrong comes back as an error; the runtime's own log would say
		// it a second time, on standard error.
		load.err = ort.InitializeEnvironment(ort.WithLogLevelFatal())
	})
	if load.err != nil {
		return fmt.Errorf("load ONNX Runtime from %s: %w", path, load.err)
	}
	if load.path != path {
		return fmt.Errorf("load ONNX Runtime from %s: %s is loaded already", path, load.path)
	}
	return nil
}
