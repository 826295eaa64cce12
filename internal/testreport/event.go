package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// event is a line of go test -json (go doc test2json; the build events since Go 1.24).
type event struct {
	Action      string // run, output, pass, fail, skip, …, build-output, build-fail
	Package     string
	ImportPath  string // of a build event
	Test        string // empty for an event of the package itself
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string  // import path whose build events say why the package failed
}

// readEvents gives each event to take, in order, until the end of r. A line that is no
// event goes to stray: the go command prints some errors so.
func readEvents(r io.Reader, take func(event), stray func(string)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				take(e)
			} else {
				stray(string(line))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
