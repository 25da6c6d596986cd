package isolate

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
)

// residentMemory is how many bytes of memory a process holds now, 0 when it has
// ended. It is watched rather than limited by the kernel: Go and ONNX Runtime
// reserve far more addresses than they use, so that a limit on those
// (RLIMIT_AS, RLIMIT_DATA) says nothing about memory, and a control group needs
// rights that a program of an ordinary user rarely has.
func residentMemory(pid int) int64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm") // proc(5)
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// outOfMemoryKills counts the processes that the kernel has killed because
// memory was short, since Linux 4.13; 0 where it does not say.
func outOfMemoryKills() int64 {
	data, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}

// head keeps the beginning of what is written to it: Go and C say first what
// the matter is and then much else.
type head struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const headSize = 4 << 10

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(p[:min(len(p), headSize-h.text.Len())])
	return len(p), nil
}

func (h *head) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Reset()
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(h.text.String())
}

// firstLine is the first line of text, or otherwise if there is none.
func firstLine(text, otherwise string) string {
	line, _, _ := strings.Cut(text, "\n")
	if line == "" {
		return otherwise
	}
	return line
}
