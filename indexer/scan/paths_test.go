package scan

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"shoebox/storage"
)

// library is a folder that has been scanned once, with a.jpg, b/1.jpg,
// b/2.jpg and b/c/3.jpg.
func library(t *testing.T) (root string, store *memory) {
	t.Helper()
	root, store = t.TempDir(), &memory{files: map[string]storage.KnownFile{}}
	for _, name := range []string{"a.jpg", "b/1.jpg", "b/2.jpg", "b/c/3.jpg"} {
		write(t, filepath.Join(root, name), name)
	}
	check(t, scanned(t, store, root), Summary{Files: 4, New: 4})
	return root, store
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestPartsOfAFolderAreScannedAsTheWholeIs(t *testing.T) {
	cases := []struct {
		name   string
		change func(t *testing.T, root string)
		hints  []string
		want   Summary
		left   Summary // what a scan of the whole root then still finds
	}{
		{"a new file", func(t *testing.T, root string) { write(t, root+"/b/4.jpg", "x") },
			[]string{"b/4.jpg"}, Summary{Files: 1, New: 1}, Summary{Files: 5, Unchanged: 5}},
		{"a changed file, told of twice", func(t *testing.T, root string) { write(t, root+"/a.jpg", "longer") },
			[]string{"a.jpg", "a.jpg"}, Summary{Files: 1, Changed: 1}, Summary{Files: 4, Unchanged: 4}},
		{"a deleted file", func(t *testing.T, root string) { remove(t, root+"/a.jpg") },
			[]string{"a.jpg"}, Summary{Missing: 1}, Summary{Files: 3, Unchanged: 3}},
		{"a deleted folder", func(t *testing.T, root string) { remove(t, root+"/b") },
			[]string{"b"}, Summary{Missing: 3}, Summary{Files: 1, Unchanged: 1}},
		{"a renamed folder", func(t *testing.T, root string) { rename(t, root+"/b", root+"/n") },
			[]string{"b", "n"}, Summary{Files: 3, New: 3, Missing: 3}, Summary{Files: 4, Unchanged: 4}},
		{"a new folder, told of with what is in it", func(t *testing.T, root string) { write(t, root+"/n/o/p.jpg", "x") },
			[]string{"n", "n/o", "n/o/p.jpg"}, Summary{Files: 1, New: 1}, Summary{Files: 5, Unchanged: 5}},
		{"a folder in the place of a picture", func(t *testing.T, root string) {
			remove(t, root+"/a.jpg")
			write(t, root+"/a.jpg/in.jpg", "x")
		}, []string{"a.jpg"}, Summary{Files: 1, New: 1, Missing: 1}, Summary{Files: 4, Unchanged: 4}},
		{"a picture in the place of a folder", func(t *testing.T, root string) {
			rename(t, root+"/b/c", root+"/away.d")
			rename(t, root+"/a.jpg", root+"/b/c")
		}, []string{"a.jpg", "b/c"}, Summary{Missing: 2}, Summary{Files: 3, New: 1, Unchanged: 2}},
		{"a link in the place of a folder", func(t *testing.T, root string) {
			rename(t, root+"/b", root+"/away")
			if err := os.Symlink("away", root+"/b"); err != nil {
				t.Fatal(err)
			}
		}, []string{"b", "b/1.jpg"}, Summary{Missing: 3}, Summary{Files: 4, New: 3, Unchanged: 1}},
		{"a change that nobody told of", func(t *testing.T, root string) { remove(t, root+"/a.jpg") },
			[]string{"b"}, Summary{Files: 3, Unchanged: 3}, Summary{Files: 3, Missing: 1, Unchanged: 3}},
		{"what is no picture", func(t *testing.T, root string) { write(t, root+"/notes.txt", "x") },
			[]string{"notes.txt", ".DS_Store", "gone"}, Summary{}, Summary{Files: 4, Unchanged: 4}},
		{"a picture in a folder that is left out", func(t *testing.T, root string) { write(t, root+"/b/@eaDir/1.jpg", "x") },
			[]string{"b/@eaDir/1.jpg", "b/@eaDir"}, Summary{}, Summary{Files: 4, Unchanged: 4}},
		{"new rules", func(t *testing.T, root string) { write(t, root+"/b/"+RulesName, "[12].jpg\n!2*\n") },
			[]string{"b/" + RulesName}, Summary{Files: 2, Missing: 1, Unchanged: 2}, Summary{Files: 3, Unchanged: 3}},
		{"a picture that the rules of a folder further up leave out", func(t *testing.T, root string) {
			write(t, root+"/"+RulesName, "/b/*/4.jpg")
			write(t, root+"/b/c/4.jpg", "x")
		}, []string{"b/c/4.jpg"}, Summary{}, Summary{Files: 4, Unchanged: 4}},
		{"the whole root", func(t *testing.T, root string) { remove(t, root+"/a.jpg") },
			[]string{""}, Summary{Files: 3, Missing: 1, Unchanged: 3}, Summary{Files: 3, Unchanged: 3}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root, store := library(t)
			c.change(t, root)
			got, err := Paths(t.Context(), store, store.folder(root), c.hints, Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, got, c.want)
			check(t, scanned(t, store, root), c.left)
		})
	}
}

func TestAPartIsNotScannedInARootThatCannotBeTrusted(t *testing.T) {
	cases := map[string]func(t *testing.T, root string, store *memory){
		"the root is gone":           func(t *testing.T, root string, _ *memory) { rename(t, root, root+".away") },
		"everything in it was moved": func(t *testing.T, root string, _ *memory) { remove(t, root+"/a.jpg"); remove(t, root+"/b") },
		"it is on another disk": func(t *testing.T, root string, store *memory) {
			remove(t, root+"/b")
			store.end.FileSystem = "another"
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			root, store := library(t)
			change(t, root, store)
			_, err := Paths(t.Context(), store, store.folder(root), []string{"a.jpg", "b"}, Options{})
			var problem *Problem
			if !errors.As(err, &problem) || store.end.Problem != problem.Reason {
				t.Errorf("the error is %v, storage knows %q", err, store.end.Problem)
			}
			for path, file := range store.files {
				if file.Missing {
					t.Errorf("%s counts as deleted", path)
				}
			}
		})
	}
}

func TestAFileThatHasNotSettledIsLeftForLater(t *testing.T) {
	root, store := library(t)
	write(t, root+"/a.jpg", "longer")
	write(t, root+"/new.jpg", "x")
	write(t, root+"/old.jpg", "x")
	remove(t, root+"/b/1.jpg")
	options := Options{Settled: func(file File) bool { return file.Path == "old.jpg" }}
	summary, err := Folder(t.Context(), store, store.folder(root), options)
	if err != nil {
		t.Fatal(err)
	}
	check(t, summary, Summary{Files: 5, New: 1, Missing: 1, Unchanged: 2, Unsettled: []string{"a.jpg", "new.jpg"}})
	check(t, scanned(t, store, root), Summary{Files: 5, New: 1, Changed: 1, Unchanged: 3})
}

func TestARootThatIsEmptyForGoodIsAcceptedOnce(t *testing.T) {
	root, store := library(t)
	remove(t, root+"/a.jpg")
	remove(t, root+"/b")
	summary, err := Folder(t.Context(), store, store.folder(root), Options{ConfirmEmpty: true})
	if err != nil {
		t.Fatal(err)
	}
	check(t, summary, Summary{Missing: 4})
	// Nothing is there and nothing is expected: no reason to doubt it.
	check(t, scanned(t, store, root), Summary{})
	write(t, root+"/a.jpg", "a.jpg")
	check(t, scanned(t, store, root), Summary{Files: 1, Changed: 1})
}

func TestAnotherFileSystemIsAcceptedWhenItHoldsTheSameFiles(t *testing.T) {
	root, store := library(t)
	here := store.end.FileSystem
	if here == "" {
		t.Fatal("the file system of the root is not known")
	}
	store.end.FileSystem = "another"
	remove(t, root+"/a.jpg")
	check(t, scanned(t, store, root), Summary{Files: 3, Missing: 1, Unchanged: 3})
	if store.end.FileSystem != here {
		t.Errorf("remembered is %q, want %q", store.end.FileSystem, here)
	}

	store.end.FileSystem = "another"
	for _, name := range []string{"b/1.jpg", "b/2.jpg"} { // other pictures of the same names
		write(t, filepath.Join(root, name), "different")
	}
	_, err := Folder(t.Context(), store, store.folder(root), Options{})
	var problem *Problem
	if !errors.As(err, &problem) || store.end.FileSystem != "another" {
		t.Fatalf("the error is %v, remembered is %q", err, store.end.FileSystem)
	}
	summary, err := Folder(t.Context(), store, store.folder(root), Options{ConfirmEmpty: true})
	if err != nil || store.end.FileSystem != here {
		t.Fatalf("%v, remembered is %q, want %q", err, store.end.FileSystem, here)
	}
	check(t, summary, Summary{Files: 3, Changed: 2, Unchanged: 1})
}

// A scan lists a folder before it reads what is known of it: a file that
// another scan has found in between is known and was not listed.
func TestAFileThatAnotherScanFoundMeanwhileIsNotMissing(t *testing.T) {
	root, store := library(t)
	write(t, root+"/z/1.jpg", "x")
	scanned(t, store, root)
	listed := make(chan struct{})
	store.delay = listed
	options := Options{Enter: func(dir string) {
		if dir == "z" { // b has been listed
			write(t, root+"/b/4.jpg", "x")
			store.files["b/4.jpg"] = storage.KnownFile{ID: 99, FileStat: storage.FileStat{Path: "b/4.jpg"}}
			close(listed)
		}
	}}
	summary, err := Folder(t.Context(), store, store.folder(root), options)
	if err != nil {
		t.Fatal(err)
	}
	check(t, summary, Summary{Files: 5, Unchanged: 5})
}
