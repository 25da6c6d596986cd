package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"shoebox/storage/postgres"
)

func newBackup(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything that is known into one file (-: standard output)",
		Long: `backup writes folders, files, photos, captions, edits and models, as they are at
one moment, into one file; others may go on working. The photos themselves and
the search index are not in it. The file is a gzipped tar of CSV files, which
other programs can read. A backup that is there already is replaced when the new
one is whole.`,
		Args: cobra.ExactArgs(1),
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, args []string) error {
			var saved postgres.Saved
			save := func(out io.Writer) (err error) {
				saved, err = library.postgres.Backup(cmd.Context(), out)
				return err
			}
			err := writeBackup(args[0], cmd.OutOrStdout(), save)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d photos, %d files and %d edits are in %s\n", saved.Photos, saved.Files, saved.Edits, printable(args[0]))
			return nil
		}),
	}
}

// writeBackup gives save a file to write, which gets its name when it is whole.
func writeBackup(name string, stdout io.Writer, save func(io.Writer) error) error {
	if name == "-" {
		if isTerminal(stdout) {
			return &usageError{errors.New("a backup is nothing for a terminal: shoebox backup - >FILE")}
		}
		return save(stdout)
	}
	if err := refuseOther(name); err != nil {
		return err
	}
	return replaceFile(name, save)
}

// refuseOther refuses to replace a file that is no backup: a slip of the pen
// would cost a photo.
func refuseOther(name string) error {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > 0 && !postgres.IsBackup(file) {
		return errors.Join(&usageError{fmt.Errorf("%s is there already and is no backup; name another file", printable(name))}, err)
	}
	return nil
}

// replaceFile has write fill a file that takes the name when it is whole and on
// disk.
func replaceFile(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if err = errors.Join(write(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func newRestore(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Load a backup into an empty database (-: from standard input)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				in = file
			}
			saved, err := restore(cmd, s, in)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d photos, %d files and %d edits of %s are back; search is built from them\n",
				saved.Photos, saved.Files, saved.Edits, saved.MadeAt.Local().Format("2006-01-02 15:04"))
			library, err := openLibrary(cmd.Context(), s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer library.Close()
			return projectNow(cmd.Context(), s, library)
		},
	}
}

func restore(cmd *cobra.Command, s *settings, in io.Reader) (postgres.Saved, error) {
	url, server, err := database(cmd.Context(), s, cmd.ErrOrStderr())
	if err != nil {
		return postgres.Saved{}, err
	}
	if server != nil {
		defer server.Close()
	}
	saved, err := postgres.Restore(cmd.Context(), url, in)
	if errors.Is(err, postgres.ErrNotEmpty) {
		what := "name an empty one by DATABASE_URL"
		if server != nil {
			what = fmt.Sprintf("move %s away when no shoebox runs, or restore into another data folder with --data",
				printable(filepath.Join(s.data, "postgres")))
		}
		err = fmt.Errorf("%w; a backup is not mixed with what is there: %s", err, what)
	}
	return saved, err
}
