package reports

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
)

// Notices are where people and services hear of a run.
type Notices struct {
	PingURL        URL      `name:"ping-url" placeholder:"URL" secret:"" group:"Reports" help:"Send notices in the format of healthchecks.io. The URL is a secret: prefer LIFEBOAT_PING_URL."`
	NotifyURL      URL      `name:"notify-url" placeholder:"URL" secret:"" group:"Reports" help:"Post a JSON document about a run that failed. The URL is a secret: prefer LIFEBOAT_NOTIFY_URL."`
	NotifyOn       string   `enum:"failure,always" default:"failure" placeholder:"failure|always" group:"Reports" help:"Post it about every run, or about those that failed."`
	NotifyTemplate Template `placeholder:"JSON" group:"Reports" help:"Another document, with {title}, {message} and the like in its texts."`
}

// incomplete is the exit code of a run that has done the main thing, but not all.
const incomplete = 3

// maxMessage is how many bytes of a message are posted: services take few.
const maxMessage = 3000

// A Message is what is posted to --notify-url.
type Message struct {
	Title     string    `json:"title"`                // one line
	Message   string    `json:"message"`              // what was done, the error, the hint
	Type      string    `json:"type"`                 // success, warning (the main thing is done) or failure
	Verb      string    `json:"verb,omitempty"`       // such as backup; absent for a run over several databases
	Database  string    `json:"database,omitempty"`   // its name in the series, where the verb knows it
	BucketURL string    `json:"bucket_url,omitempty"` // of the series
	Exit      int       `json:"exit"`
	Reason    string    `json:"reason,omitempty"` // a word of the table of reasons
	Host      string    `json:"host"`
	Began     time.Time `json:"began"`
	Seconds   float64   `json:"seconds"`
	Version   string    `json:"version"` // of the program
	Log       string    `json:"log"`     // the end of it
}

// message returns what is posted of a run that ended with err.
func (r *Report) message(err error) Message {
	m := Message{
		Message: r.outcome(err), Type: "failure", Verb: r.run.Verb, Database: terminal.ValidText(r.run.Database), BucketURL: r.run.URL,
		Exit: r.exit, Began: r.began.UTC().Truncate(time.Millisecond), Seconds: r.ended.Sub(r.began).Round(time.Millisecond).Seconds(),
		Version: r.program.Version, Log: r.tail.String(),
	}
	about, how := "lifeboat", "failed"
	if m.Verb != "" {
		about += " " + m.Verb
	}
	if m.Database != "" {
		about += " of " + m.Database
	} else if m.BucketURL != "" {
		about += " of " + m.BucketURL
	}
	switch {
	case err == nil:
		m.Type, how = "success", "succeeded"
	case m.Exit == incomplete:
		m.Type, how = "warning", "is incomplete"
	}
	if err != nil {
		m.Reason = r.program.Reason(err)
		how += fmt.Sprintf(" (exit %d)", m.Exit)
	}
	m.Title = about + " " + how
	m.Host, _ = os.Hostname() // a machine without a name has none
	// Services refuse a message without text.
	m.Message = cmp.Or(terminal.ValidText(strings.TrimSpace(m.Message)), m.Title)
	if len(m.Message) > maxMessage {
		m.Message = strings.ToValidUTF8(m.Message[:maxMessage], "") + "..."
	}
	return m
}

// notify posts the message about a run, if it is asked for, within the time.
func (r *Report) notify(ctx context.Context, within time.Duration, err error) {
	if r.to.NotifyURL.isZero() || err == nil && r.to.NotifyOn != "always" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var document any = r.message(err)
	if t := r.to.NotifyTemplate; !t.isZero() {
		document = t.fill(r.message(err))
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		r.log.Warn("the message about this run could not be written", "cause", err)
		return
	}
	r.ping.send(ctx, "the message to --notify-url", r.to.NotifyURL.to, "application/json", body.String())
}

// A Template is a JSON document whose texts name fields of a message in braces. What they
// stand for is put in when the document is read already, so nothing in it needs escapes.
type Template struct{ document any }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Template) UnmarshalText(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	err := decoder.Decode(&document)
	_, isObject := document.(map[string]any)
	_, isList := document.([]any)
	if err != nil || !isObject && !isList {
		return errors.New(`it is not JSON such as {"text": "{title}"}`)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("it is more than one JSON document")
	}
	known := slices.Sorted(maps.Keys(Message{}.fields()))
	for _, name := range templateField.FindAllStringSubmatch(fmt.Sprint(document), -1) {
		if !slices.Contains(known, name[1]) {
			return fmt.Errorf("unknown field {%s}: there are %s", name[1], strings.Join(known, ", "))
		}
	}
	t.document = document
	return nil
}

var templateField = regexp.MustCompile(`\{([a-z_]+)\}`)

// Schema describes the values in a file of databases.
func (Template) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^\s*[\[{]`}
}

func (t Template) isZero() bool { return t.document == nil }

// fill returns the document about a message.
func (t Template) fill(m Message) any {
	var pairs []string
	for name, value := range m.fields() {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return filled(t.document, strings.NewReplacer(pairs...))
}

func filled(node any, fields *strings.Replacer) any {
	switch n := node.(type) {
	case string:
		return fields.Replace(n)
	case []any:
		all := []any{}
		for _, below := range n {
			all = append(all, filled(below, fields))
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for key, below := range n {
			all[key] = filled(below, fields)
		}
		return all
	}
	return node
}

// fields returns the fields of a message as texts, by their names in JSON.
func (m Message) fields() map[string]string {
	return map[string]string{
		"title": m.Title, "message": m.Message, "type": m.Type, "verb": m.Verb, "database": m.Database, "bucket_url": m.BucketURL,
		"exit": strconv.Itoa(m.Exit), "reason": m.Reason, "host": m.Host, "began": m.Began.Format(time.RFC3339),
		"seconds": strconv.FormatFloat(m.Seconds, 'f', -1, 64), "version": m.Version, "log": m.Log,
	}
}
