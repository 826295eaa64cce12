package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run executes the command that the words ask for and returns the exit code.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := untilSignal()
	defer stop()
	root := newRootCmd(out, errOut)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if aboutWords(err) {
		err = usagef("%w; \"%s --help\" shows how", err, cmd.CommandPath())
	}
	code := codeOf(err)
	if err != nil {
		// Of wrong words, those after the first wrong one were not parsed.
		asJSON := wantsJSON(cmd) || code == exitUsage && slices.Contains(args, "--"+jsonFlag)
		complain(errOut, err, code, asJSON)
	}
	return code
}

// sameSignal is how close two signals are one: timeout(1) sends its own to the process and
// to the group that it is in.
const sameSignal = 200 * time.Millisecond

// untilSignal ends at the first Ctrl-C or SIGTERM. A second one ends the process.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	return ctx, stop
}

// newRootCmd returns the tree of all commands, printing to out and errOut.
func newRootCmd(out, errOut io.Writer) *cobra.Command {
	root := newGroup("xdpstack", "a TCP/IP stack in user space on AF_XDP",
		newDemoCmd(),
		newLabCmd(),
		newRunCmd(),
		newProxyCmd(),
		newSSCmd(),
		newStatsCmd(),
		newBenchCmd(),
		newVersionCmd(),
	)
	root.Long = "xdpstack: a TCP/IP stack in user space on AF_XDP.\n\n" + exitTable()
	root.SetOut(out)
	root.SetErr(errOut)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().Bool(jsonFlag, false, "print JSON, one object a line")
	root.SetFlagErrorFunc(flagError)
	markErrors(root)
	return root
}

// newGroup returns a command that only holds others.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: runGroup}
	c.AddCommand(commands...)
	return c
}

// runGroup is reached when no command of the group is meant.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(group *cobra.Command, word string) error {
	var names []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	if near := nearest(word, names); near != "" {
		return usagef("unknown command %q; did you mean \"%s %s\"?", word, group.CommandPath(), near)
	}
	return usagef("unknown command %q; \"%s --help\" lists the commands", word, group.CommandPath())
}

// flagError turns what pflag says into one line that says what to do.
func flagError(cmd *cobra.Command, err error) error {
	// A misspelt command makes its flags unknown too; the command is what matters.
	if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
		return unknownCommand(cmd, words[0])
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			return usagef("%w; did you mean --%s?", err, near)
		}
	}
	return usagef("%w; \"%s --help\" lists the flags", err, cmd.CommandPath())
}

// markErrors marks, in the whole tree, what commands return: see commandError.
func markErrors(cmd *cobra.Command) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := inner(cmd, args); err != nil {
				return commandError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		markErrors(c)
	}
}

// nearest returns the name that is at most two edits from a word, or "" if none is.
func nearest(word string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if d := edits(word, name); d < least && d < len(word) {
			best, least = name, d
		}
	}
	return best
}

// edits is the Levenshtein distance, by rows.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
