// Writer is the application that the end-to-end test backs up: it appends rows
// to a database in WAL mode for as long as it runs, and can tell afterwards
// whether one is missing or changed. Its image has no shell, so it also does
// what the test needs done in a pod.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
    writer run DB             append rows until SIGTERM
    writer state DB           check every row; print how many there are, and the newest's sum
    writer sum DB N           print the sum of row N
    writer fill DB MIB        add so much noise to the database, and make it if need be
    writer wait               do nothing until SIGTERM
    writer files DIR          print the files below the directory
    writer show FILE          print what is in a file
    writer remove FILE...     remove files and directories, also those that are not there
    writer own DIR UID MODE   make a directory, and give it to a user and a group`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	syscall.Umask(0o077) // a careful application: no other user can read its database
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "writer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "run" && len(args) == 1:
		return write(ctx, args[0])
	case command == "state" && len(args) == 1:
		return printState(args[0])
	case command == "sum" && len(args) == 2:
		return printSum(args[0], args[1])
	case command == "fill" && len(args) == 2:
		return fill(args[0], args[1])
	case command == "wait" && len(args) == 0:
		<-ctx.Done()
		return nil
	case command == "files" && len(args) == 1:
		return printFiles(args[0])
	case command == "show" && len(args) == 1:
		return show(args[0])
	case command == "remove" && len(args) > 0:
		return remove(args)
	case command == "own" && len(args) == 3:
		return own(args[0], args[1], args[2])
	}
	return errors.New(usage)
}
