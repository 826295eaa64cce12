// Command xdpstack runs, measures and shows the stack, and makes labs to do so in.
//
// It is a shell over the packages of this module: each command parses its words, calls one of them, and prints what came back. What
// the commands have in common is here:
//
//   - Output (output.go): a command gives what it has to say once, as a value and as a way to write it for people; the flag
//     --json, which every command has, chooses. JSON is one object a line on standard output, so that a command that reports at
//     intervals is a stream of them.
//   - Errors and exit codes (exit.go): an error is one line on standard error that says what to do. The code says which kind it
//     was; a table maps the packages' errors to codes, so that commands return errors as they find them.
//   - The tree of commands (root.go): newRootCmd lists them. What cobra finds wrong with the words is code 2, never a
//     page of usage; a word it does not know gets the nearest that it knows.
//   - Signals (root.go): the first SIGINT or SIGTERM ends the command's context, a second one the process; two that come
//     together, as timeout(1) sends them, are one.
//
// main.go is the only place that ends the process, but for "lab exec", which becomes another program.
//
// Read first: root.go, then the file of the command in question.
package main
