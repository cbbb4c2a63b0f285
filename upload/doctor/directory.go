package doctor

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/reason"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/trial"
)

// A directoryExam is one examination of a directory on its way.
type directoryExam struct {
	bucket.Bucket
	trial   trial.Directory
	written bool
}

// directoryProbes are the checks of a directory, in this order.
var directoryProbes = []probe[*directoryExam]{
	{"directory", tryDirectory, "it is there", "nothing else can be tried", ""},
	{"read", tryRead, "a restore can read", "a restore cannot read", "a restore needs the right to read"},
	{"write", tryWrite, "a backup can write", "a backup cannot write", "a backup needs the right to write"},
	{"fsync", trySync, "what a backup has written survives a power cut", "a power cut may take the last snapshot", ""},
	{"put if absent", tryPlace, "a new name is linked, so no snapshot is ever replaced", "a backup looks whether the name is free before it renames; names are random", ""},
	{"free space", tryFreeSpace, "room for as many compressed snapshots", "no snapshot has room", ""},
	{"local file system", tryLocal, "snapshots are as safe as this machine", "a network or FUSE file system: whether it keeps what it has synced is its own affair", ""},
	{"delete", tryRemove, "prune works", "prune does not work, and failed backups leave temp files", "prune does not work, and failed backups leave temp files"},
}

func examineDirectory(ctx context.Context, b bucket.Bucket, t trial.Directory) (report Report, err error) {
	report.URL = b.URL()
	defer func() { report.Left = t.Close() }()
	report.Findings, err = runProbes(ctx, &directoryExam{Bucket: b, trial: t}, directoryProbes)
	return report, err
}

// fileAnswer makes an answer of an error of the file system.
func fileAnswer(err error) (Answer, string, error) {
	switch {
	case err == nil:
		return Yes, "", nil
	case errors.Is(err, fs.ErrPermission):
		return Refused, err.Error(), nil
	}
	return No, err.Error(), nil
}

// tryDirectory ends the examination where there is none: the first backup
// would create it, but a mount that is missing looks the same.
func tryDirectory(_ context.Context, x *directoryExam) (Answer, string, error) {
	info, err := os.Stat(x.URL().Dir)
	why := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "no such directory; a backup would create it, unless it should be a mount"
	case err != nil:
		why = err.Error()
	case !info.IsDir():
		why = "it is not a directory"
	default:
		return Yes, "", nil
	}
	return No, "", reason.Errorf(bucket.ErrRefused, err, "examine %s: %s", x.URL(), why)
}

func tryRead(ctx context.Context, x *directoryExam) (Answer, string, error) {
	for o, err := range x.List(ctx, "") {
		if err != nil {
			return fileAnswer(err)
		}
		blob, err := x.Open(ctx, o)
		if err != nil {
			return fileAnswer(err)
		}
		_, err = blob.ReadAt(make([]byte, 1), 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return fileAnswer(errors.Join(err, blob.Close()))
	}
	return Yes, "", nil
}

func tryWrite(_ context.Context, x *directoryExam) (Answer, string, error) {
	err := x.trial.Write(throwAway)
	x.written = err == nil
	return fileAnswer(err)
}

func trySync(_ context.Context, x *directoryExam) (Answer, string, error) {
	if !x.written {
		return NotTried, "nothing could be written", nil
	}
	return fileAnswer(x.trial.Sync())
}

func tryPlace(_ context.Context, x *directoryExam) (Answer, string, error) {
	if !x.written {
		return NotTried, "nothing could be written", nil
	}
	means, err := x.trial.Place()
	if err != nil {
		return No, err.Error(), nil
	}
	return Yes, "by " + means, nil
}

func tryFreeSpace(_ context.Context, x *directoryExam) (Answer, string, error) {
	free, err := disk.Free(x.URL().Dir)
	if err != nil {
		return NotTried, err.Error(), nil
	}
	detail := humanize.IBytes(uint64(max(free, 0))) + " free"
	if free <= 0 {
		return No, detail, nil
	}
	return Yes, detail, nil
}

func tryLocal(_ context.Context, x *directoryExam) (Answer, string, error) {
	remote, err := remoteKind(x.URL().Dir)
	if err != nil {
		return NotTried, err.Error(), nil
	}
	if remote != "" {
		return No, remote, nil
	}
	return Yes, "", nil
}

func tryRemove(_ context.Context, x *directoryExam) (Answer, string, error) {
	if !x.written {
		return NotTried, "nothing could be written", nil
	}
	return fileAnswer(x.trial.Remove())
}
