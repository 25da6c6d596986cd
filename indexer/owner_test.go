package indexer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/storage"
)

func TestLeasesFromBeforeAReboot(t *testing.T) {
	data := t.TempDir()
	const before, longBefore = "11111111-boot", "00000000-boot"
	if err := os.WriteFile(filepath.Join(data, "boots"), []byte(longBefore+"\n"+before+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := Self(data)
	if err != nil {
		t.Fatal(err)
	}
	boot := strings.Split(self.Machine, "|")[2]
	in := func(old, new string) string { return strings.Replace(self.Machine, old, new, 1) }
	for _, test := range []struct {
		whose string
		owner storage.Owner
		dead  bool
	}{
		{"this process", self.Owner, false},
		{"this machine before", storage.Owner{Machine: in(boot, before), PID: self.PID, StartedAt: self.StartedAt}, true},
		{"this machine long before, in a container", storage.Owner{Machine: in(boot, longBefore) + "1", PID: 7}, true},
		{"another machine", storage.Owner{Machine: in(boot, "22222222-boot"), PID: 7}, false},
		{"another machine of that boot ID", storage.Owner{Machine: "x" + in(boot, before), PID: 7}, false},
		{"a process that never was", storage.Owner{Machine: self.Machine, PID: 1 << 30, StartedAt: 1}, true},
	} {
		if got := self.dead(test.owner); got != test.dead {
			t.Errorf("a lease of %s: dead is %v, want %v", test.whose, got, test.dead)
		}
	}
	// Asked again, it has not forgotten.
	if again, err := Self(data); err != nil || !slices.Equal(again.earlier, self.earlier) || len(again.earlier) != 2 {
		t.Errorf("asked again: %q, %v", again.earlier, err)
	}
}

func TestOnlyTheLastBootsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "boots")
	for n := range 30 {
		earlier, err := noteBoot(path, string(rune('A'+n)))
		if err != nil || len(earlier) != min(n, 10) {
			t.Fatalf("at boot %d: %q, %v", n, earlier, err)
		}
	}
}

func TestPausesGrowUpToALimit(t *testing.T) {
	for attempts, want := range map[int]time.Duration{
		0: 5 * time.Second, 1: 5 * time.Second, 2: 30 * time.Second, 3: 3 * time.Minute, 4: 18 * time.Minute,
		6: 6 * time.Hour, 1000: 6 * time.Hour,
	} {
		if got := retryIn(attempts); got != want {
			t.Errorf("after %d attempts %s, want %s", attempts, got, want)
		}
	}
}
