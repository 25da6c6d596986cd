package browsertest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Axe is axe-core, which finds what keeps people from using a page.
type Axe struct{ script string }

// NewAxe reads what `make` fetches into the build folder. Where it is not
// there the test is skipped.
func NewAxe(t *testing.T) *Axe {
	t.Helper()
	path := filepath.Join(root(t), ".build", "axe.min.js")
	script, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("axe-core is not at %s: `make .build/axe.min.js` fetches it", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Axe{string(script)}
}

// violation is a rule of axe-core that a page breaks.
type violation struct {
	ID     string
	Impact string
	Help   string
	Nodes  []struct {
		HTML           string
		FailureSummary string
	}
}

// Check reports the rules that a page breaks and that axe-core calls serious or
// critical.
func (a *Axe) Check(b *Tab, name string) {
	b.t.Helper()
	Eval[bool](b, a.script+"; true")
	for _, v := range Eval[[]violation](b, "axe.run().then(({violations}) => violations)") {
		if v.Impact != "serious" && v.Impact != "critical" {
			continue
		}
		var where strings.Builder
		for _, node := range v.Nodes {
			fmt.Fprintf(&where, "\n  %s\n    %s", node.HTML, strings.ReplaceAll(node.FailureSummary, "\n", " "))
		}
		b.t.Errorf("%s: %s (%s, %s)%s", name, v.Help, v.ID, v.Impact, where.String())
	}
}
