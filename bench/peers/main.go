package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/xdpstack/xdpstack/bench/peers/contender"
	"github.com/xdpstack/xdpstack/internal/lab"
)

// Errors of the command.
var (
	errRoot  = errors.New("peers: needs root, for namespaces, XDP programs and the processor's counters")
	errTests = errors.New("peers: no such measurement; there are " + everything)
)

// everything is what is measured, in the order of the report.
const everything = "rxdrop,l2fwd,txonly,echo,tcp-memory,tcp,http,proxy"

// sections are parts of the report that a function measures.
var sections = map[string]func(ctx context.Context, lim limits, progress io.Writer) []section{
	memoryWord: tcpMemory,
	"tcp":      tcpLab,
	"http":     httpLab,
	"proxy":    proxyLab,
}

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command is main, or the life of a process that it started.
func command(args []string) error {
	if isChild, err := contender.Main(args); isChild {
		return err
	}
	if len(args) > 0 && args[0] == echoWord {
		return echoMain(args[1:], os.Stdout)
	}
	if len(args) > 0 && args[0] == memoryWord {
		return memoryMain(args[1:], os.Stdout)
	}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	out := flags.String("out", "", "file to write the report to, beside standard output")
	only := flags.String("only", everything, "what to measure")
	var lim limits
	flags.IntVar(&lim.pairs, "pairs", 7, "pairs of equal tags to measure of each comparison")
	flags.IntVar(&lim.rounds, "rounds", 15, "rounds to measure at most, to get them")
	flags.DurationVar(&lim.each, "each", 4*time.Minute, "time for the rounds of one test at most")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := measureAll(ctx, strings.Split(*only, ","), lim)
	if err != nil {
		return err
	}
	return publish(r, *out)
}

// measureAll measures what only names.
func measureAll(ctx context.Context, only []string, lim limits) (*report, error) {
	if os.Geteuid() != 0 {
		return nil, errRoot
	}
	if _, err := lab.Sweep(); err != nil {
		return nil, err
	}
	r := &report{facts: facts(time.Now())}
	for _, what := range only {
		switch test := contender.Test(what); test {
		case contender.RxDrop, contender.L2Fwd, contender.TxOnly:
			r.tests = append(r.tests, compare(ctx, test, lim, os.Stderr))
		case echoWord:
			r.echoes = compareEchoes(ctx, lim.pairs, os.Stderr)
		default:
			measure, ok := sections[what]
			if !ok {
				return nil, fmt.Errorf("%w; not %q", errTests, what)
			}
			r.sections = append(r.sections, measure(ctx, lim, os.Stderr)...)
		}
	}
	return r, ctx.Err()
}

// publish writes the report to standard output and to a file.
func publish(r *report, name string) (err error) {
	if name == "" {
		return r.write(os.Stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.write(io.MultiWriter(os.Stdout, f))
}
