package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/cmd/shoebox/runtime"
)

func TestWhatKeepsAGPUFromUseIsSaidInWords(t *testing.T) {
	// As ONNX Runtime 1.24.4 says it.
	const where = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:60 static onnxruntime::CUDAExecutionProviderInfo " +
		`FromProviderOptions(const onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : Failed to parse provider option "device_id": `
	for name, tc := range map[string]struct{ says, reason, advice string }{
		"no driver": {
			where + "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; expr=cudaGetDeviceCount(&num_devices);",
			"there is no NVIDIA driver, or one that is too old for CUDA 12", "525",
		},
		"no device": {where + "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ;", "the NVIDIA driver finds no GPU", "nvidia-smi"},
		"something else": {
			where + "CUDA failure 803: system has unsupported display driver / cuda driver combination ; GPU=-1 ;",
			`CUDA says "system has unsupported display driver / cuda driver combination" (803)`, "nvidia-smi",
		},
		"a library is missing": {
			"provider_bridge_ort.cc:1952 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library " +
				"/runtime/libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: No such file or directory",
			"libcublasLt.so.12: cannot open shared object file", "remove /runtime and fetch it again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got *CUDAError
			if !errors.As(whyNotCUDA(errors.New(tc.says), "/runtime/libonnxruntime.so"), &got) || got.Reason != tc.reason || !strings.Contains(got.Advice, tc.advice) {
				t.Errorf("got %+v", got)
			}
		})
	}
	unknown := errors.New("something new")
	if got := whyNotCUDA(unknown, "/lib.so"); !errors.Is(got, unknown) {
		t.Errorf("what is not known becomes %v", got)
	}
}

func TestAFileThatIsNoLibraryIsNotLoaded(t *testing.T) {
	found, _ := runtime.Find("")
	if IsCUDABuild(found.ONNXRuntime) {
		t.Errorf("%s is taken for a CUDA build", found.ONNXRuntime)
	}
	library := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(filepath.Join(filepath.Dir(library), providerFile), []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := CheckCUDA(library); err == nil {
		t.Error("CUDA can be used with a file of text")
	}
	if !IsCUDABuild(library) {
		t.Error("a provider beside the library does not make it a CUDA build")
	}
}
