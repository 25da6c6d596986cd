package private

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLog is the size in bytes above which the server's log loses its older half.
const maxLog = 1 << 20

// openLog opens the server's log to append to it.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
}

// boundLog keeps the log from growing for ever. The server appends to the same
// file meanwhile, so a line or two written in that instant may be lost.
func boundLog(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() <= maxLog {
		return err
	}
	tail := make([]byte, maxLog/2)
	if _, err := file.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(tail, 0)
	return err
}

// readFrom returns what a file holds from an offset on; an error is part of the
// answer, as it is only ever shown to people.
func readFrom(path string, offset int64) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, offset, maxLog))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// lastLines is the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// indent puts lines of a program's output below a message.
func indent(lines string) string {
	if lines == "" {
		return ""
	}
	return fmt.Sprintf("\n\t%s", strings.ReplaceAll(lines, "\n", "\n\t"))
}
