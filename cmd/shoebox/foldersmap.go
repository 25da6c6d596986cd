package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

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

All commands on this machine then know the folder as /mnt/nas. What the database
holds does not change, nor what other machines see. STORED is a line of
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
			return saveMount(s, stored, local)
		}),
	}
}

func saveMount(s *settings, stored, local string) error {
	mounts, err := mounted.Load(mountsFile(s))
	if err != nil {
		return err
	}
	if err := mounts.Set(stored, local); err != nil {
		return err
	}
	return mounts.Save(mountsFile(s))
}
