package main

import (
	"errors"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// lockFlags protect what a command writes by the store's Object Lock.
type lockFlags struct {
	ObjectLock string `enum:",governance,compliance" default:"" placeholder:"MODE" group:"Store" help:"Object Lock: governance or compliance."`
	LockFor    limit  `placeholder:"7d" group:"Store" help:"How long --object-lock lasts."`
}

func (f lockFlags) lock() bucket.ObjectLock {
	return bucket.ObjectLock{Mode: strings.ToUpper(f.ObjectLock), For: time.Duration(f.LockFor)}
}

func (f lockFlags) checkLock() error {
	if (f.ObjectLock == "") != (f.LockFor == 0) {
		return errors.New("--object-lock and --lock-for go together")
	}
	return nil
}
