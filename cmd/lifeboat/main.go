// Lifeboat ships a live SQLite database to an S3-compatible bucket and brings
// it back.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
)

func main() {
	if worker.Asked() {
		os.Exit(worker.Main())
	}
	// What the program holds are some large buffers without pointers in them.
	// Collecting often costs next to nothing then, and keeps the heap from
	// growing to twice their size.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
	os.Exit(runProgram(os.Args[1:], os.Stdout, os.Stderr))
}

// runProgram is the whole program. It returns the exit code.
func runProgram(args []string, stdout, stderr *os.File) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	var p program
	c := &console{stdout: stdout, stderr: stderr, globals: &p.globals, json: asksForJSON(args), documented: new(bool)}
	err := withSignal(ctx, p.do(ctx, args, c))
	c.fail(err)
	if notPrinted := c.document(err); notPrinted != nil {
		c.fail(notPrinted)
	}
	return exitCode(err)
}
