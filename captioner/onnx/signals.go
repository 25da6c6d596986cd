package onnx

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// CUDA's libraries may set signal handlers of their own, which the Go runtime
// does not survive: Ctrl-C then ends in "non-Go code set up signal handler
// without SA_ONSTACK flag" (onnxruntime_go issue 140), or is not noticed. So
// Go's handlers are put back after every call that may have loaded something.

// sigaction is what the kernel knows of a signal, as rt_sigaction(2) takes it
// on 64-bit Linux. The C library has another layout, and refuses to show some.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const lastSignal = 64

// keepHandlers remembers what every signal does now; restore undoes each
// change. What Go itself does with signals while it runs changes none.
func keepHandlers() (restore func()) {
	var kept [lastSignal + 1]sigaction
	for signal := range kept {
		kept[signal], _ = exchange(signal, nil) // an error is of a signal that there is not
	}
	return func() {
		for signal := range kept {
			if now, err := exchange(signal, nil); err == nil && now != kept[signal] {
				_, _ = exchange(signal, &kept[signal])
			}
		}
	}
}

// exchange returns what a signal does, and sets it unless to is nil.
func exchange(signal int, to *sigaction) (was sigaction, err error) {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal),
		uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(&was)), unsafe.Sizeof(was.mask), 0, 0)
	if errno != 0 {
		return sigaction{}, errno
	}
	return was, nil
}
