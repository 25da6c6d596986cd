package runtime

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// unpack writes the files of a wheel that keep names below dir and returns how
// many bytes they are. Programs stay executable. A name that leads out of dir
// and anything but a plain file are errors: no wheel needs them.
func unpack(wheel, dir string, keep func(name string) (string, bool)) (int64, error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return 0, err
	}
	defer archive.Close()
	var total int64
	for _, file := range archive.File {
		if !filepath.IsLocal(file.Name) {
			return 0, fmt.Errorf("it holds the name %q, which leads elsewhere", file.Name)
		}
		name, kept := keep(file.Name)
		if !kept || file.Mode().IsDir() {
			continue
		}
		if !file.Mode().IsRegular() {
			return 0, fmt.Errorf("it holds %q, which is no plain file (%v)", file.Name, file.Mode())
		}
		n, err := unpackFile(file, filepath.Join(dir, name))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// unpackFile writes one file. Everybody may read it, whatever the umask is,
// because the database server runs as another user than root.
func unpackFile(file *zip.File, path string) (n int64, err error) {
	if err := makeReadable(filepath.Dir(path)); err != nil {
		return 0, err
	}
	var mode fs.FileMode = 0o644
	if file.Mode()&0o111 != 0 {
		mode = 0o755
	}
	in, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, in)
	return n, errors.Join(err, out.Chmod(mode), out.Close())
}

// makeReadable makes a folder and those above it that are missing, for everybody
// to read.
func makeReadable(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeReadable(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}
