package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const jsonFlag = "json"

// emit prints v as one line of JSON if --json was given, and otherwise calls human. A command that reports at intervals calls it for
// each report.
func emit(cmd *cobra.Command, v any, human func(w io.Writer)) error {
	if !wantsJSON(cmd) {
		human(cmd.OutOrStdout())
		return nil
	}
	if err := json.NewEncoder(cmd.OutOrStdout()).Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// emitResult prints the whole of a run that was reported at intervals; printErr is what went wrong with those. A
// run that was interrupted has its own exit code.
func emitResult(cmd *cobra.Command, result any, human func(w io.Writer), interrupted bool, printErr error) error {
	if err := emit(cmd, map[string]any{"result": result}, human); err != nil || printErr != nil {
		return errors.Join(printErr, err)
	}
	if interrupted {
		return &exitError{code: exitInterrupted}
	}
	return nil
}

func wantsJSON(cmd *cobra.Command) bool {
	on, err := cmd.Flags().GetBool(jsonFlag)
	return err == nil && on
}

// complain prints an error on one line, as JSON if wanted.
func complain(w io.Writer, err error, code int, asJSON bool) {
	line := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ") // errors.Join makes lines
	line = strings.TrimPrefix(line, "xdpstack: ")                          // the root package's errors begin so
	if line == "" {
		return
	}
	if !asJSON {
		fmt.Fprintf(w, "xdpstack: %s\n", line)
		return
	}
	json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
		Code  int    `json:"exit_code"`
	}{line, code})
}
