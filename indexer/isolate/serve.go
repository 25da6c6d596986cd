package isolate

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Serve is the whole life of a child: it answers requests until its parent has
// gone or has no more, and never returns. What do writes to standard output and
// standard error goes to nobody but a Fault.
func Serve(do func(request []byte) []byte) {
	// The parent decides when it is over, and says so by closing the pipe.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Should the machine run out of memory, this process is the one to go. It
	// is only a precaution: old kernels and containers may refuse.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	answers := os.NewFile(3, "answers")
	requests := make(chan []byte)
	go func() {
		for {
			request, err := readFrame(os.Stdin)
			if err != nil {
				os.Exit(0)
			}
			requests <- request
		}
	}()
	var answer []byte // the first, empty one says that the child is ready
	for {
		if err := writeFrame(answers, answer); err != nil {
			os.Exit(0)
		}
		answer = do(<-requests)
	}
}

// largestFrame is more than any file that is read at all.
const largestFrame = 1 << 30

// Requests and answers go over pipes as their length in eight bytes and then
// their bytes.
func writeFrame(w io.Writer, data []byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data)))); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(length[:])
	if n > largestFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return data, err
}
