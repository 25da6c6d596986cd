package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configName is where the configuration file is looked for.
const configName = "$XDG_CONFIG_HOME/shoebox/config, for root /etc/shoebox/config"

// settings are what several commands share.
type settings struct {
	data        string // absolute after load
	databaseURL string // empty: the private server
}

// load fills in what the command line left open: each flag from its SHOEBOX_
// variable, else from the configuration file, else its default. --retry,
// --confirm-empty and --repair are actions and no settings.
func (s *settings) load(cmd *cobra.Command) error {
	config, err := readConfig(configPath())
	if err != nil {
		return err
	}
	if err := refuseUnknown(cmd.Root(), config); err != nil {
		return fmt.Errorf("%s: %w", configPath(), err)
	}
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil || f.Name == "help" || f.Name == "retry" || f.Name == confirmEmpty || f.Name == repairFlag {
			return
		}
		variable := "SHOEBOX_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, source := os.Getenv(variable), variable
		if value == "" {
			value, source = config[f.Name], configPath()
		}
		if value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			failed = fmt.Errorf("%s: %s = %q: %w", source, f.Name, value, err)
		}
	})
	if failed != nil {
		return failed
	}
	if s.databaseURL = os.Getenv("DATABASE_URL"); s.databaseURL == "" {
		s.databaseURL = config["database-url"]
	}
	if s.data == "" {
		s.data = defaultData()
	}
	s.data, err = filepath.Abs(s.data)
	return err
}

// refuseUnknown fails on a name that no command has: a slip of the pen would
// otherwise change nothing and say nothing.
func refuseUnknown(root *cobra.Command, config map[string]string) error {
	known := map[string]bool{"database-url": true}
	note := func(f *pflag.Flag) { known[f.Name] = true }
	root.PersistentFlags().VisitAll(note)
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(note)
	}
	for name := range config {
		if !known[name] {
			return fmt.Errorf("there is no setting %q", name)
		}
	}
	return nil
}

// defaultData is the XDG data folder. Root's private database runs as
// another user, which could not reach a folder below /root.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/shoebox"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "shoebox")
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".local", "share", "shoebox")
}

func configPath() string {
	if os.Geteuid() == 0 {
		return "/etc/shoebox/config"
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "shoebox", "config")
}

// readConfig reads "name = value" lines; # starts a comment line. A file
// that is not there is an empty one.
func readConfig(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || path == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	config := make(map[string]string)
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want name = value", path, n)
		}
		config[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return config, lines.Err()
}
