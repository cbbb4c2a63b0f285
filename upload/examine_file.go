package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// A fileExaminer is one examination of a directory on its way.
type fileExaminer struct {
	*directory
	temp string // a synced file, "" if there is none
}

// placed returns the second name that the file is given.
func (x *fileExaminer) placed() string {
	return strings.TrimSuffix(x.temp, tempSuffix) + "-placed" + tempSuffix
}

// fileProbes are the checks of a directory, in this order.
var fileProbes = []probe[*fileExaminer]{
	{"directory", tryDirectory, "it is there", "nothing else can be tried", ""},
	{"read", tryRead, "a restore can read", "a restore cannot read", "a restore needs the right to read"},
	{"write", tryWrite, "a backup can write", "a backup cannot write", "a backup needs the right to write"},
	{"fsync", trySync, "what a backup has written survives a power cut", "a power cut may take the last snapshot", ""},
	{"put if absent", tryPlace, "a new name is linked, so no snapshot is ever replaced", "a backup looks whether the name is free before it renames; names are random", ""},
	{"free space", tryFreeSpace, "room for as many compressed snapshots", "no snapshot has room", ""},
	{"local file system", tryLocal, "snapshots are as safe as this machine", "a network or FUSE file system: whether it keeps what it has synced is its own affair", ""},
	{"delete", tryRemove, "prune works", "prune does not work, and failed backups leave temp files", "prune does not work, and failed backups leave temp files"},
}

func examineFile(ctx context.Context, b *directory) (report Report, err error) {
	x := &fileExaminer{directory: b}
	report.URL = b.url
	defer func() {
		if x.temp == "" {
			return
		}
		for _, path := range []string{x.temp, x.placed()} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				report.Left = append(report.Left, path)
			}
		}
	}()
	report.Findings, err = runProbes(ctx, x, fileProbes)
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
func tryDirectory(_ context.Context, x *fileExaminer) (Answer, string, error) {
	info, err := os.Stat(x.url.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text := "examine " + x.url.String() + ": no such directory; a backup would create it, unless it should be a mount"
		return No, "", &storeError{text: text, kind: bucket.ErrRefused, cause: err}
	case err != nil:
		return No, "", &storeError{text: "examine " + x.url.String() + ": " + err.Error(), kind: bucket.ErrRefused, cause: err}
	case !info.IsDir():
		return No, "", &storeError{text: "examine " + x.url.String() + ": it is not a directory", kind: bucket.ErrRefused}
	}
	return Yes, "", nil
}

func tryRead(ctx context.Context, x *fileExaminer) (Answer, string, error) {
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

func tryWrite(_ context.Context, x *fileExaminer) (answer Answer, detail string, err error) {
	x.temp, err = x.writeTemp(func(w io.Writer) error {
		_, err := w.Write(doctorContent)
		return err
	})
	return fileAnswer(err)
}

func trySync(_ context.Context, x *fileExaminer) (Answer, string, error) {
	if x.temp == "" {
		return NotTried, "nothing could be written", nil
	}
	return fileAnswer(syncDir(x.url.Dir))
}

// tryPlace gives the file a name in the way that a backup does if it can.
func tryPlace(_ context.Context, x *fileExaminer) (Answer, string, error) {
	if x.temp == "" {
		return NotTried, "nothing could be written", nil
	}
	err := os.Link(x.temp, x.placed())
	if err == nil {
		return Yes, "by hard links", nil
	}
	if renameNoReplace(x.temp, x.placed()) == nil {
		return Yes, "by a rename that does not replace", nil
	}
	return No, err.Error(), nil
}

func tryFreeSpace(_ context.Context, x *fileExaminer) (Answer, string, error) {
	free, _, err := fileSystem(x.url.Dir)
	if err != nil {
		return NotTried, err.Error(), nil
	}
	detail := humanize.IBytes(free) + " free"
	if free == 0 {
		return No, detail, nil
	}
	return Yes, detail, nil
}

func tryLocal(_ context.Context, x *fileExaminer) (Answer, string, error) {
	_, remote, err := fileSystem(x.url.Dir)
	if err != nil {
		return NotTried, err.Error(), nil
	}
	if remote != "" {
		return No, remote, nil
	}
	return Yes, "", nil
}

func tryRemove(_ context.Context, x *fileExaminer) (Answer, string, error) {
	if x.temp == "" {
		return NotTried, "nothing could be written", nil
	}
	for _, path := range []string{x.placed(), x.temp} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileAnswer(fmt.Errorf("delete a file: %w", err))
		}
	}
	return Yes, "", nil
}
