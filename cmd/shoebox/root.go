package main

import (
	"log/slog"

	"github.com/spf13/cobra"
)

// newRoot builds the command tree. parsed becomes true once a command line
// has been understood: errors before that are wrong use.
func newRoot() (root *cobra.Command, parsed *bool) {
	parsed = new(bool)
	s := &settings{}
	root = &cobra.Command{
		Use:   "shoebox",
		Short: "Gives every photo a caption and finds photos by words",
		Long: `shoebox gives every photo in a library a caption from its own model and finds
photos by words. Start with

  shoebox index ~/Pictures
  shoebox search "two dogs in the snow"

Each flag can also be set as SHOEBOX_NAME in the environment or as
"name = value" in the configuration file (` + configName + `).
DATABASE_URL chooses a Postgres server; without it shoebox runs its own.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.load(cmd); err != nil {
				return err
			}
			*parsed = true
			slog.SetDefault(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
			return nil
		},
	}
	root.PersistentFlags().StringVar(&s.data, "data", "", "folder that holds everything shoebox keeps (default the XDG data folder; for root /var/lib/shoebox)")
	root.AddCommand(
		newIndex(s), newWatch(s), newSearch(s), newCaption(s), newStatus(s), newFailures(s), newFolders(s), newWork(s), newPause(s), newResume(s), newRecaption(s),
		newServe(s), newVerify(s), newReindex(s), newBackup(s), newRestore(s), newExport(s),
		newSetup(s), newDoctor(s), newMigrate(s), newPostgresSupervisor(), newTrial(s), newExportTraining(s),
	)
	return root, parsed
}
