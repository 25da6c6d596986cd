package scan

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
)

// RulesName is the file in which people name what is to be left out of a
// folder, in the syntax of gitignore(5). It holds for the folder and
// everything below, where others may stand that are asked first.
const RulesName = ".shoeboxignore"

// rulesLimit is how large such a file may be, bytes.
const rulesLimit = 1 << 20

// ignored names what cameras, systems and file servers leave in photo
// folders and nobody took: resource forks, thumbnails, bins.
func ignored(name string) bool {
	switch name {
	case ".DS_Store", "@eaDir", "#recycle", ".thumbnails", "$RECYCLE.BIN", "lost+found":
		return true
	}
	return strings.HasPrefix(name, "._") || strings.HasPrefix(name, ".trash") || strings.HasPrefix(name, ".Trash")
}

// rules are those of one file, above which the ones of folders further up
// stand. Nil: there are none.
type rules struct {
	above    *rules
	dir      string // where the file is, relative to the root
	patterns []pattern
}

// outside returns the rules that hold above a folder.
func (r *rules) outside(dir string) *rules {
	if r != nil && r.dir == dir {
		return r.above
	}
	return r
}

// pattern is a line of a rules file.
type pattern struct {
	glob    string // in doublestar's syntax
	name    bool   // compared with the last name of a path only
	folder  bool   // for folders only
	include bool   // takes back what an earlier line has left out
}

// ignores reports what the last line that matches says; the innermost file
// is asked first. Folders above the path have been asked before.
func (r *rules) ignores(path string, isDir bool) bool {
	for ; r != nil; r = r.above {
		rel := path
		if r.dir != "" {
			rel = path[len(r.dir)+1:]
		}
		_, name := split(rel)
		for _, p := range slices.Backward(r.patterns) {
			if p.folder && !isDir {
				continue
			}
			subject := rel
			if p.name {
				subject = name
			}
			if doublestar.MatchUnvalidated(p.glob, subject) {
				return !p.include
			}
		}
	}
	return false
}

// parseRules reads the lines of a rules file. What git would never match is
// left out.
func parseRules(text []byte) (patterns []pattern) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if p, ok := parsePattern(trimSpaces(line)); ok {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

func parsePattern(line string) (pattern, bool) {
	var p pattern
	line, p.include = strings.CutPrefix(line, "!")
	line, p.folder = strings.CutSuffix(line, "/")
	p.name = !strings.Contains(line, "/")
	p.glob = escapeBraces(strings.TrimPrefix(line, "/"))
	// For git a folder is not among what is below it.
	if strings.HasSuffix(p.glob, "/**") {
		p.glob += "/*"
	}
	return p, p.glob != "" && doublestar.ValidatePattern(p.glob)
}

// trimSpaces takes spaces off the end, but not one behind a backslash.
func trimSpaces(line string) string {
	trimmed := strings.TrimRight(line, " ")
	backslashes := len(trimmed) - len(strings.TrimRight(trimmed, `\`))
	if backslashes%2 == 1 && len(trimmed) < len(line) {
		trimmed += " "
	}
	return trimmed
}

// escapeBraces makes the alternatives that doublestar knows, and git does
// not, plain characters.
func escapeBraces(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\' && i+1 < len(glob):
			b.WriteByte(c)
			i++
			b.WriteByte(glob[i])
		case c == '{' || c == '}':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ruleBook answers for one scan what is left out of a root.
type ruleBook struct {
	root string
	skip string // an absolute path
	dirs map[string]dirRules
}

// dirRules is what holds in a folder.
type dirRules struct {
	rules *rules
	out   bool // the folder itself is left out, or is none
	err   error
}

func newRuleBook(root, skip string) *ruleBook {
	return &ruleBook{root: root, skip: skip, dirs: make(map[string]dirRules)}
}

// ignores reports whether a path is left out under the rules of its folder.
func (b *ruleBook) ignores(r *rules, path string, isDir bool) bool {
	_, name := split(path)
	return ignored(name) || b.skip != "" && filepath.Join(b.root, path) == b.skip || r.ignores(path, isDir)
}

// isPicture reports whether a walk would find a picture at a path.
func (b *ruleBook) isPicture(path string, stat *unix.Stat_t) (bool, error) {
	dir, name := split(path)
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || !picture.IsPictureName(name) {
		return false, nil
	}
	rules, out, err := b.in(dir)
	return err == nil && !out && !b.ignores(rules, path, false), err
}

// in returns the rules that hold in a folder, its own ones included, and
// whether a walk would not come there at all. It remembers its answers.
func (b *ruleBook) in(dir string) (*rules, bool, error) {
	if known, ok := b.dirs[dir]; ok {
		return known.rules, known.out, known.err
	}
	var d dirRules
	d.rules, d.out, d.err = b.lookUp(dir)
	b.dirs[dir] = d
	return d.rules, d.out, d.err
}

func (b *ruleBook) lookUp(dir string) (r *rules, out bool, err error) {
	if dir != "" {
		above, _ := split(dir)
		if r, out, err = b.in(above); out || err != nil {
			return nil, out, err
		}
		info, err := os.Lstat(filepath.Join(b.root, dir))
		switch {
		case isGone(err):
			return nil, true, nil
		case err != nil:
			return nil, false, err
		case !info.IsDir() || b.ignores(r, dir, true):
			return nil, true, nil
		}
	}
	r, err = b.load(dir, r)
	return r, false, err
}

// read returns the rules that hold in a folder that has been listed.
func (b *ruleBook) read(dir string, above *rules, entries []fs.DirEntry) (*rules, error) {
	for _, entry := range entries {
		if entry.Name() == RulesName {
			return b.load(dir, above)
		}
	}
	return above, nil
}

// load reads a folder's own rules, if it has some. Rules that cannot be read
// are an error: without them, more would be taken up than a person wants.
func (b *ruleBook) load(dir string, above *rules) (*rules, error) {
	path := filepath.Join(b.root, dir, RulesName)
	info, err := os.Lstat(path)
	if isGone(err) {
		return above, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", RulesName)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", RulesName, cause(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, rulesLimit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", RulesName, cause(err))
	}
	if len(text) > rulesLimit {
		return nil, fmt.Errorf("%s is larger than %d MB", RulesName, rulesLimit>>20)
	}
	return &rules{above: above, dir: dir, patterns: parseRules(text)}, nil
}
