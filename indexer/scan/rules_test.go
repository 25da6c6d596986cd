package scan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/storage"
)

func TestRulesLeaveOutWhatGitWould(t *testing.T) {
	cases := []struct {
		name  string
		rules string
		out   []string
		in    []string
	}{
		{"a name, at any depth", "private", []string{"private/a.jpg", "x/private/a.jpg"}, []string{"privat/a.jpg", "private.jpg"}},
		{"only a folder", "old.jpg/", []string{"old.jpg/a.jpg"}, []string{"x/old.jpg"}},
		{"anchored at the file's folder", "/a.jpg", []string{"a.jpg"}, []string{"x/a.jpg"}},
		{"a slash in the middle anchors", "x/a.jpg", []string{"x/a.jpg"}, []string{"y/x/a.jpg"}},
		{"a star stops at a slash", "/x/*.png", []string{"x/a.png"}, []string{"x/y/a.png"}},
		{"two stars do not", "x/**/a.jpg", []string{"x/a.jpg", "x/y/z/a.jpg"}, []string{"y/x/a.jpg"}},
		{"everything in a folder but one", "/x/**\n!/x/keep.jpg", []string{"x/a.jpg", "x/y/keep.jpg"}, []string{"x/keep.jpg"}},
		{"nothing comes back from a folder that is out", "/x\n!/x/keep.jpg", []string{"x/keep.jpg"}, nil},
		{"the last line decides", "*.jpg\n!a*\nab*", []string{"b.jpg", "ab.jpg"}, []string{"a.jpg"}},
		{"a line that takes back a folder takes back no files", "*.jpg\n!x", []string{"x/a.jpg"}, nil},
		{"comments, blank lines, spaces and carriage returns", "# a.jpg\n\nb.jpg  \r\n", []string{"b.jpg"}, []string{"a.jpg"}},
		{"escaped", "\\#a.jpg\n\\!b.jpg\nc\\ .jpg", []string{"#a.jpg", "!b.jpg", "c .jpg"}, []string{"a.jpg"}},
		{"braces are plain", "{a,b}.jpg", []string{"{a,b}.jpg"}, []string{"a.jpg"}},
		{"classes", "[a-c][!x].jpg", []string{"az.jpg"}, []string{"ax.jpg", "dz.jpg"}},
		{"what cannot be read matches nothing", "[a.jpg\n\\", nil, []string{"a.jpg", "[a.jpg"}},
		{"a byte order mark", "\uFEFFa.jpg", []string{"a.jpg"}, []string{"b.jpg"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, RulesName), c.rules)
			for _, name := range slices.Concat(c.out, c.in) {
				write(t, filepath.Join(root, name), "x")
			}
			if got, want := found(t, root), slices.Sorted(slices.Values(c.in)); !slices.Equal(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

// found lists the pictures that a scan finds, in order.
func found(t *testing.T, root string) (paths []string) {
	t.Helper()
	store := &memory{files: map[string]storage.KnownFile{}}
	summary := scanned(t, store, root)
	if len(summary.Unreadable) > 0 {
		t.Fatal(summary.Unreadable)
	}
	for path := range store.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Git itself is asked about rules and files made by chance, with one thing left
// out: it reads a**/b differently when a has no wildcard and when it has one.
func TestRulesAgreeWithGit(t *testing.T) {
	const rounds = 8
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git to compare with")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	name := func() string { return one("a", "b", "ab", "c d", "{a}", "a.jpg", "b.jpg", "ab.jpg", "!b.jpg", "#.jpg") }
	pattern := func() string {
		var b strings.Builder
		b.WriteString(one("", "", "", "!", "/", "!/", "\\"))
		for i := range 1 + random.IntN(3) {
			if i > 0 {
				b.WriteString("/")
			}
			b.WriteString(one(name(), name(), "*", "**", "a*", "*.jpg", "?.jpg", "[ab].jpg", "[!a]*", "*b*"))
		}
		return b.String() + one("", "", "", "/", "  ", "\\ ", "/**")
	}
	repository := t.TempDir()
	git(t, repository, repository, "init", "-q")
	for range rounds {
		root := t.TempDir()
		for range 40 {
			dir := root
			for range random.IntN(4) {
				dir = filepath.Join(dir, strings.ReplaceAll(name(), ".jpg", ""))
			}
			if os.MkdirAll(dir, 0o755) == nil {
				os.WriteFile(filepath.Join(dir, strings.TrimSuffix(name(), ".jpg")+".jpg"), nil, 0o644)
			}
		}
		rules := make(map[string]string)
		for _, dir := range []string{"", "a", "a/b", "b"} {
			if _, err := os.Stat(filepath.Join(root, dir)); err != nil || random.IntN(3) == 0 {
				continue
			}
			var text strings.Builder
			for range 1 + random.IntN(5) {
				fmt.Fprintln(&text, pattern())
			}
			rules[dir] = text.String()
			write(t, filepath.Join(root, dir, RulesName), text.String())
			write(t, filepath.Join(root, dir, ".gitignore"), text.String())
		}
		var want []string
		for path := range bytes.SplitSeq(git(t, repository, root, "ls-files", "-z", "--others", "--exclude-standard"), []byte{0}) {
			if strings.HasSuffix(string(path), ".jpg") {
				want = append(want, string(path))
			}
		}
		slices.Sort(want)
		if got := found(t, root); !slices.Equal(got, want) {
			only := func(these, those []string) []string {
				return slices.DeleteFunc(slices.Clone(these), func(p string) bool { return slices.Contains(those, p) })
			}
			t.Fatalf("rules %q: only this package finds %q, only git %q", rules, only(got, want), only(want, got))
		}
	}
}

func git(t *testing.T, repository, tree string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_DIR="+filepath.Join(repository, ".git"), "GIT_WORK_TREE="+tree)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
