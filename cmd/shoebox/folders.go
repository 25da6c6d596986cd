package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"shoebox/storage"
	"shoebox/thumbs"
)

func newFolders(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "folders",
		Short: "List the folders that are indexed",
		Args:  cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			status, err := library.Status(cmd.Context())
			if err != nil {
				return err
			}
			for _, f := range status.Folders {
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), reportFolder(f))
				} else {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), printable(f.Path))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.AddCommand(newForget(s), newMap(s))
	return cmd
}

func newForget(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "forget DIR",
		Short: "Stop indexing a folder: its photos leave search, the files stay as they are",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			library, err := openLibrary(cmd.Context(), s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer library.Close()
			err = library.ForgetFolder(cmd.Context(), dir)
			if errors.Is(err, storage.ErrUnknownFolder) {
				return fmt.Errorf("%s is not indexed; `shoebox folders` lists what is", printable(dir))
			}
			if err != nil {
				return err
			}
			return errors.Join(projectNow(cmd.Context(), s, library), thumbs.In(s.data).Prune(cmd.Context(), 0, library.Shown))
		},
	}
}
