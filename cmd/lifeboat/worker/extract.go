package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// The tasks of an Extractor.
const (
	extractTask = "extract"
	maskTask    = "mask"
	scriptTask  = "script"
)

func init() {
	tasks[extractTask], tasks[maskTask], tasks[scriptTask] = extractTables, mask, writeScript
}

// An Extractor calls package extract in workers. The files that it is given lie in a
// directory that is private to the program, which the workers share with it.
type Extractor struct {
	Pool *Pool
	// Limit is how long each call may take; 0 sets no limit.
	Limit time.Duration
}

// newDatabase is the name of an extracted database, for messages.
const newDatabase = "the extracted database"

// An extractRequest is for all tasks of an Extractor. Texts are bytes, as they need not
// be UTF-8.
type extractRequest struct {
	Tables          [][]byte
	Where           []byte
	Query, As       []byte
	Triggers, Views bool
	From, To        []byte
	Script          []byte
}

// Copy is extract.Copy from a database that the program reads, with SQLite's quick check
// of the new one.
func (e Extractor) Copy(ctx context.Context, name string, source Source, path string, r extract.Request) (report extract.Report, err error) {
	request := extractRequest{Where: []byte(r.Where), Query: []byte(r.Query), As: []byte(r.As), Triggers: r.Triggers, Views: r.Views, To: []byte(path)}
	for _, table := range r.Tables {
		request.Tables = append(request.Tables, []byte(table))
	}
	err = e.run(ctx, Inside{Names: []string{name}, Sources: []Source{source}}, extractTask, request, &report)
	return report, err
}

// Mask is extract.Mask, with SQLite's quick check of the new database.
func (e Extractor) Mask(ctx context.Context, path, masked, script string) (m extract.Masking, err error) {
	err = e.run(ctx, Inside{Names: []string{newDatabase}}, maskTask, extractRequest{From: []byte(path), To: []byte(masked), Script: []byte(script)}, &m)
	return m, err
}

// Script is extract.Script, to a new file at script.
func (e Extractor) Script(ctx context.Context, path, script string) error {
	var nothing struct{}
	return e.run(ctx, Inside{Names: []string{newDatabase}}, scriptTask, extractRequest{From: []byte(path), To: []byte(script)}, &nothing)
}

// run runs a task, whose only message is its result.
func (e Extractor) run(ctx context.Context, i Inside, task string, r extractRequest, result any) error {
	const unlimited = 10 * 365 * 24 * time.Hour
	i.Pool, i.Limit = e.Pool, e.Limit
	if i.Limit == 0 {
		i.Limit = unlimited
	}
	request, err := json.Marshal(r)
	if err != nil {
		return err
	}
	received := false
	err = i.Run(ctx, task, request, func(message []byte) error {
		received = true
		return json.Unmarshal(message, result)
	})
	if err == nil && !received {
		err = fmt.Errorf("%s: the worker returned nothing", task)
	}
	return err
}

// replyWith sends a task's result.
func replyWith(send func([]byte) error, result any) error {
	message, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return send(message)
}

// extractTables does what Copy asks for, in the worker.
func extractTables(ctx context.Context, databases []*untrusted.Conn, request []byte, send func([]byte) error) error {
	var r extractRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return err
	}
	if len(databases) != 1 {
		return fmt.Errorf("extract from %d databases", len(databases))
	}
	asked := extract.Request{Where: string(r.Where), Query: string(r.Query), As: string(r.As), Triggers: r.Triggers, Views: r.Views}
	for _, table := range r.Tables {
		asked.Tables = append(asked.Tables, string(table))
	}
	report, err := extract.Copy(ctx, databases[0].Conn, string(r.To), asked)
	if err == nil {
		err = extract.Check(ctx, string(r.To))
	}
	if err != nil {
		return err
	}
	return replyWith(send, report)
}

func mask(ctx context.Context, _ []*untrusted.Conn, request []byte, send func([]byte) error) error {
	var r extractRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return err
	}
	m, err := extract.Mask(ctx, string(r.From), string(r.To), string(r.Script))
	if err == nil {
		err = extract.Check(ctx, string(r.To))
	}
	if err != nil {
		return err
	}
	return replyWith(send, m)
}

func writeScript(ctx context.Context, _ []*untrusted.Conn, request []byte, send func([]byte) error) error {
	var r extractRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return err
	}
	f, err := os.OpenFile(string(r.To), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return disk.WrapTemp("write the script", err)
	}
	w := bufio.NewWriter(f)
	err = extract.Script(ctx, string(r.From), w)
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(disk.WrapTemp("write the script", err), f.Close()); err != nil {
		return err
	}
	return replyWith(send, struct{}{})
}
