package main

import (
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runConfig is what "run" can be told, by flags or by a file with the same words.
type runConfig struct {
	Host    hostConfig `yaml:",inline"`
	Service []string   `yaml:"service"`
}

// merge is the file's configuration with the flags that were given over it.
func (c runConfig) merge(flags *pflag.FlagSet, file string) (runConfig, error) {
	if file == "" {
		return c, nil
	}
	merged := c // the flags' defaults, for what the file leaves out
	if err := readConfig(file, &merged); err != nil {
		return c, err
	}
	merged.Host.override(&c.Host, flags)
	if flags.Changed("service") {
		merged.Service = c.Service
	}
	return merged, nil
}

// newLogger logs to standard error: what could not be is worth a line, what
// works is not.
func newLogger(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
