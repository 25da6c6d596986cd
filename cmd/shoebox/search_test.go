package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/search"
)

// newSearchLibrary indexes some sample photos in folders of their own and
// returns where they are, links resolved.
func newSearchLibrary(t *testing.T) (l *testLibrary, root string) {
	t.Helper()
	l = newTestLibrary(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for path, sample := range map[string]string{
		"pets/chelsea.png":         "chelsea.png",
		"pets/old/cat copy.png":    "chelsea.png",
		"space/rocket.jpg":         "rocket.jpg",
		"space/astronaut.jpg":      "astronaut.jpg",
		"still life/coffee 01.png": "coffee.png",
	} {
		writeFile(t, filepath.Join(root, path), readSample(t, sample))
	}
	l.must(exitDone, "index", root)
	return l, root
}

// in is the library in a subtest.
func (l *testLibrary) in(t *testing.T) *testLibrary {
	within := *l
	within.t = t
	return &within
}

// below are the first files of photos, relative to root.
func below(root string, hits []search.Hit) (paths []string) {
	for _, hit := range hits {
		path, err := filepath.Rel(root, hit.Paths[0])
		if err != nil {
			path = err.Error()
		}
		paths = append(paths, path)
	}
	return paths
}

func TestSearchFromTheTerminal(t *testing.T) {
	t.Parallel()
	l, root := newSearchLibrary(t)

	t.Run("names, folders and dates find photos", func(t *testing.T) {
		l := l.in(t)
		for query, want := range map[string]string{
			"chelsea":                           "pets/chelsea.png",
			"name:rock*":                        "space/rocket.jpg",
			"folder:space name:astro*":          "space/astronaut.jpg",
			"folder:old":                        "pets/chelsea.png", // of its other file
			`folder:"still life"`:               "still life/coffee 01.png",
			"(chelsea OR rocket) -folder:space": "pets/chelsea.png",
			"sort:name (name:ch* OR name:co*)":  "pets/chelsea.png still life/coffee 01.png",
		} {
			if got := strings.Join(below(root, l.search("--text-only", query)), " "); got != want {
				t.Errorf("%s finds %q, want %q", query, got, want)
			}
		}
	})

	t.Run("JSON has the fields of the contract", func(t *testing.T) {
		l := l.in(t)
		objects := lines[map[string]any](t, l.must(exitDone, "search", "--json", "chelsea").stdout)
		if len(objects) == 0 {
			t.Fatal("nothing is found")
		}
		cat := objects[0]
		for _, field := range []string{"path", "paths", "caption", "score", "width", "height", "photo", "why", "relevance"} {
			if _, ok := cat[field]; !ok {
				t.Errorf("a result has no %q: %v", field, cat)
			}
		}
		if paths, _ := cat["paths"].([]any); len(paths) != 2 {
			t.Errorf("paths are %v, want both files with this content", cat["paths"])
		}
		if why, _ := cat["why"].([]any); !slices.Contains(why, any("file or folder")) && !slices.Contains(why, any("caption")) {
			t.Errorf("why is %v", cat["why"])
		}
	})

	t.Run("pages make up the whole", func(t *testing.T) {
		l := l.in(t)
		whole := l.search("sort:name")
		if len(whole) != 4 {
			t.Fatalf("%d photos, want 4", len(whole))
		}
		var pages []search.Hit
		args := []string{"search", "--json", "--limit", "3", "sort:name"}
		for {
			out := l.must(exitDone, args...)
			pages = append(pages, lines[search.Hit](t, out.stdout)...)
			_, after, more := strings.Cut(out.stderr, "--after ")
			if !more {
				break
			}
			args = append(args[:5:5], "--after", strings.Fields(after)[0])
		}
		if got, want := below(root, pages), below(root, whole); !slices.Equal(got, want) {
			t.Errorf("the pages are %v, want %v", got, want)
		}
		out := l.must(exitUsage, "search", "--after", "nonsense", "cat")
		if !strings.Contains(out.stderr, "start again") {
			t.Errorf("a place that is none: %s", out.stderr)
		}
		l.must(exitUsage, "search", "--limit", "0", "cat")
	})

	t.Run("a description finds what is like it", func(t *testing.T) {
		l := l.in(t)
		hits := l.search("--similar", "Chelsea: a cat, no rocket!")
		if got := below(root, hits); len(got) < 2 || !slices.Contains(got, "space/rocket.jpg") {
			t.Errorf("found %v", got)
		}
	})

	t.Run("facets count photos", func(t *testing.T) {
		l := l.in(t)
		facets := lines[search.Facets](t, l.must(exitDone, "search", "--facets", "--json", "sort:name").stdout)
		if len(facets) != 1 {
			t.Fatalf("%d objects, want one", len(facets))
		}
		want := []search.Facet{{Value: filepath.Join(root, "space"), Count: 2}, {Value: filepath.Join(root, "pets"), Count: 1}, {Value: filepath.Join(root, "still life"), Count: 1}}
		if !slices.Equal(facets[0].Folders, want) {
			t.Errorf("folders are %v, want %v", facets[0].Folders, want)
		}
		out := l.must(exitDone, "search", "--facets", "folder:space")
		if !strings.Contains(out.stdout, "        2  "+filepath.Join(root, "space")+"\n") {
			t.Errorf("the facets are printed as\n%s", out.stdout)
		}
	})

	t.Run("a saved query", func(t *testing.T) {
		l := l.in(t)
		out := l.must(exitDone, "search", "--save", "space", "folder:space sort:name")
		if !strings.Contains(out.stderr, "search @space") {
			t.Errorf("saving says %q", out.stderr)
		}
		if got := strings.Join(below(root, l.search("@space")), " "); got != "space/astronaut.jpg space/rocket.jpg" {
			t.Errorf("@space finds %q", got)
		}
		if got := strings.Join(below(root, l.search("@space", "-name:rocket")), " "); got != "space/astronaut.jpg" {
			t.Errorf("@space -name:rocket finds %q", got)
		}
		l.must(exitDone, "search", "--save", "space", "folder:pets")
		if got := strings.Join(below(root, l.search("@space")), " "); got != "pets/chelsea.png" {
			t.Errorf("after it was saved again @space finds %q", got)
		}
		for _, args := range [][]string{{"@spice"}, {"--save", "a/b", "cat"}, {"--save", "me", "@me"}} {
			if out := l.must(exitUsage, append([]string{"search"}, args...)...); out.stderr == "" {
				t.Errorf("search %q says nothing", args)
			}
		}
		if out := l.run("search", "@spice"); !strings.Contains(out.stderr, `no album "spice"; there are space`) {
			t.Errorf("an unknown album: %s", out.stderr)
		}
	})

	t.Run("paths for xargs", func(t *testing.T) {
		l := l.in(t)
		for _, flag := range []string{"-0", "--print0"} {
			out := l.must(exitDone, "search", flag, "folder:space", "sort:name")
			want := filepath.Join(root, "space/astronaut.jpg") + "\x00" + filepath.Join(root, "space/rocket.jpg") + "\x00"
			if out.stdout != want {
				t.Errorf("%s prints %q, want %q", flag, out.stdout, want)
			}
		}
	})

	t.Run("links in a folder", func(t *testing.T) {
		l := l.in(t)
		dir := filepath.Join(t.TempDir(), "new", "links")
		l.must(exitDone, "search", "--export", dir, "folder:space", "sort:name")
		for name, want := range map[string]string{"1 astronaut.jpg": "space/astronaut.jpg", "2 rocket.jpg": "space/rocket.jpg"} {
			if target, err := os.Readlink(filepath.Join(dir, name)); err != nil || target != filepath.Join(root, want) {
				t.Errorf("%s leads to %s, %v", name, target, err)
			}
		}
		out := l.must(exitFailed, "search", "--export", dir, "folder:space")
		if !strings.Contains(out.stderr, "not empty") {
			t.Errorf("into a folder that is not empty: %s", out.stderr)
		}
	})

	t.Run("an error shows its place", func(t *testing.T) {
		l := l.in(t)
		for query, want := range map[string]string{
			`cat "in the`:   "cat \"in the\n    ^",
			"taken:2019-13": "taken:2019-13\n      ^",
			"colour:red":    "colour:red\n^",
		} {
			if out := l.must(exitUsage, "search", query); !strings.Contains(out.stderr, want) {
				t.Errorf("%s says\n%s\nwant\n%s", query, out.stderr, want)
			}
		}
		if out := l.must(exitUsage, "search", "ไทย"); !strings.Contains(out.stderr, "nothing that can be searched for") {
			t.Errorf("a script that is not indexed: %s", out.stderr)
		}
		l.must(exitUsage, "search")
		if len(l.search("chelsea")) == 0 {
			t.Error("then nothing is found any more")
		}
	})

	t.Run("a word spelled wrongly", func(t *testing.T) {
		l := l.in(t)
		out := l.must(exitDone, "search", "rokcet", "folder:space")
		if want := `did you mean "rocket"? shoebox search 'rocket folder:space'  (1 photos)`; !strings.Contains(out.stderr, want) || out.stdout != "" {
			t.Errorf("it says %q and prints %q, want %q", out.stderr, out.stdout, want)
		}
		out = l.must(exitDone, "search", "name:chelsea", "folder:space")
		if !strings.Contains(out.stderr, "without one of the words: shoebox search 'folder:space'  (2 photos)") {
			t.Errorf("it says %q", out.stderr)
		}
	})

	t.Run("a broken list of synonyms", func(t *testing.T) {
		l := l.in(t)
		path := filepath.Join(l.data, "synonyms.txt")
		writeFile(t, path, []byte("kitty > chelsea\nbroken\n"))
		out := l.must(exitUsage, "search", "chelsea")
		if !strings.Contains(out.stderr, path+": line 2") {
			t.Errorf("it says %s", out.stderr)
		}
		writeFile(t, path, []byte("moggy = chelsea\n"))
		if got := strings.Join(below(root, l.search("--text-only", "moggy")), " "); got != "pets/chelsea.png" {
			t.Errorf("a synonym finds %q", got)
		}
	})
}
