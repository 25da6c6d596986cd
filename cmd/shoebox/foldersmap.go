package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"shoebox/search"
	"shoebox/storage"
	"shoebox/storage/mounted"
)

// mountsFile says where folders are on this machine. It lies in the data folder,
// because it is about a machine and the database is shared.
func mountsFile(s *settings) string { return filepath.Join(s.data, "mounts") }

func newMap(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "map STORED LOCAL",
		Short: "Say where an indexed folder is on this machine, if not at the path it was indexed by",
		Long: `map says where an indexed folder is mounted on this machine, for example

  shoebox folders map /volume1/photos /mnt/nas

All commands on this machine then know the folder as /mnt/nas, and search is built
again to show it there. What the database holds does not change, nor what other
machines see. STORED is a line of
"shoebox folders" on the machine that indexed it. Mapped to STORED itself, a
folder is where it was indexed again.`,
		Args: cobra.ExactArgs(2),
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, args []string) error {
			stored := filepath.Clean(args[0])
			local, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			folders, err := library.postgres.Folders(cmd.Context())
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(folders, func(f storage.Folder) bool { return f.Path == stored }) {
				return fmt.Errorf("%s is not indexed under this name; `shoebox folders` on the machine that indexed it says the name", printable(stored))
			}
			if info, err := os.Stat(local); err != nil {
				return fmt.Errorf("%s: %w", printable(local), cause(err))
			} else if !info.IsDir() {
				return fmt.Errorf("%s is not a folder", printable(local))
			}
			mounts, err := saveMount(s, stored, local)
			if err != nil {
				return err
			}
			return showMoved(cmd, s, mounted.Store{Store: library.postgres, Mounts: mounts})
		}),
	}
}

func saveMount(s *settings, stored, local string) (mounted.Mounts, error) {
	mounts, err := mounted.Load(mountsFile(s))
	if err != nil {
		return nil, err
	}
	if err := mounts.Set(stored, local); err != nil {
		return nil, err
	}
	return mounts, mounts.Save(mountsFile(s))
}

// showMoved builds this machine's search index again, if there is one, because
// it holds the paths from before. A process that holds it has read the mounts
// when it began, and would do so with the old ones.
func showMoved(cmd *cobra.Command, s *settings, store mounted.Store) error {
	if _, err := os.Stat(indexDir(s)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	index, err := search.OpenWriter(indexDir(s))
	if errors.Is(err, search.ErrLocked) {
		return fmt.Errorf("the folder is mapped, but another shoebox that runs still knows it at its old place: end it, then `shoebox reindex`")
	}
	if err == nil {
		err = index.Close()
	}
	if err != nil {
		return err
	}
	return rebuildSearch(cmd, s, store)
}
