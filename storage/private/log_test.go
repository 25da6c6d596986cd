package private

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogStaysBoundedAndKeepsItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postgres.log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	line := strings.Repeat("x", 99) + "\n"
	write := func(text string) {
		t.Helper()
		if _, err := log.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := boundLog(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * maxLog / len(line) {
		write(line)
	}
	write("the last line\n") // by the one that has the file open all the time
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > maxLog {
		t.Errorf("it has %d bytes", len(text))
	}
	if !strings.HasSuffix(string(text), line+"the last line\n") || strings.Contains(string(text), "\x00") {
		t.Error("its end was lost")
	}
}

func TestLogIsNeverWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "postgres.log")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), path); err != nil {
		t.Fatal(err)
	}
	if log, err := openLog(path); err == nil {
		log.Close()
		t.Error("a link was followed")
	}
}

func TestLastLinesAreTheEnd(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"one\ntwo\nthree\n", 2, "two\nthree"},
		{"one\n", 5, "one"},
		{"", 5, ""},
	} {
		if got := lastLines(test.text, test.n); got != test.want {
			t.Errorf("the last %d of %q: %q, want %q", test.n, test.text, got, test.want)
		}
	}
}
