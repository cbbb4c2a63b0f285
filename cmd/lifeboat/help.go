package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

const topHelp = `Lifeboat ships a live SQLite database to a bucket and brings it back.

  lifeboat backup app.db s3://bucket/app      take a snapshot now; for cron
  lifeboat series s3://bucket                 which databases are in a bucket
  lifeboat list s3://bucket/app               the snapshots of one
  lifeboat restore s3://bucket/app app.db     the newest one, into a new file

A bucket URL holds one database's snapshots: s3://bucket/prefix or file:///dir.

Commands:
  backup     take a snapshot of a live database and ship it
  series     list the series below a bucket or prefix; list: its snapshots
  show       what is in a snapshot; pin, unpin, delete: whether it stays
  restore    bring a snapshot back; copy: the snapshots to a second place
  verify     a restore drill: prove a snapshot; drills: those on record
  query      ask a snapshot in its bucket; extract: tables; diff: what changed
  lifecycle  retention by the bucket's own rules; prune: where no rules do it
  status     is the newest snapshot young enough? report: a page of evidence
  doctor     what can the keys do?
  config     check the file of many databases; version, completion: of lifeboat

Each has --help. Every flag is also a variable, such as LIFEBOAT_MAX_RATE. The
keys and endpoint are AWS settings, such as AWS_ENDPOINT_URL_S3 or a profile.
`

// examples stand before the flags in a command's help.
var examples = map[string]string{
	"backup": `  lifeboat backup /data/app.db s3://bucket/app
  lifeboat backup /data/app.db file:///mnt/nas/app --age-recipient age1...
  lifeboat backup --config lifeboat.yaml    all databases that the file names
`,
	"list": `  lifeboat list s3://bucket/app
  lifeboat list s3://bucket/app --since "2026-11-20 17:00" --long
  lifeboat list s3://bucket/app --class daily --last 14
  lifeboat list s3://bucket/app --json | jq -r '.snapshots[-1].id'
  lifeboat list s3://bucket/app --versions      overwritten and deleted ones too
`,
	"show": `  lifeboat show s3://bucket/app                       the newest
  lifeboat show s3://bucket/app 20261120T17
  lifeboat show s3://bucket/app --at "2026-11-20 17:00 CET"
`,
	"restore": `  lifeboat restore s3://bucket/app app.db             the newest, to a new file
  lifeboat restore s3://bucket/app app.db --replace --at "2026-11-20 17:00"
  lifeboat restore --config lifeboat.yaml --only acme --at 17:00 copy.db
  lifeboat restore --config lifeboat.yaml --all --to /srv/back
  lifeboat restore s3://bucket/app app.db --if-missing  before an app starts
`,
	"verify": `  lifeboat verify s3://bucket/app                     the newest; from cron
  lifeboat verify s3://bucket/app --sql 'SELECT count(*) > 1000 FROM orders'
  lifeboat verify s3://bucket/app --sample 3 --check full --json
  lifeboat verify --config lifeboat.yaml --sample 5 --record
`,
	"drills": `  lifeboat drills s3://bucket/app
  lifeboat drills s3://bucket/app --since 90d
  lifeboat drills s3://bucket/app --json | jq '.drills[-1].recovery_seconds'
`,
	"query": `  lifeboat query s3://bucket/app "SELECT * FROM orders WHERE id = 7"
  lifeboat query s3://bucket/app --at "2026-11-20 17:00" --param id=7 \
      "SELECT * FROM orders WHERE id = :id"
  lifeboat query s3://bucket/app --csv "SELECT * FROM orders" >orders.csv
  lifeboat query s3://bucket/app                  a shell: .tables .schema .quit
`,
	"extract": `  lifeboat extract s3://bucket/app rescue.db --table orders --table customers
  lifeboat extract s3://bucket/app rescue.db --table orders --where 'id > 7'
  lifeboat extract s3://bucket/app - --table orders --format sql >orders.sql
  lifeboat extract s3://bucket/app staging.db --all --sql-file mask.sql
`,
	"diff": `  lifeboat diff s3://bucket/app                 the newest and the one before it
  lifeboat diff s3://bucket/app app.db --rows   what changed since, with values
  lifeboat diff s3://bucket/app --from 16:00 --to 17:00 --table orders --rows
  lifeboat diff s3://bucket/app app.db --quiet    exits 12 if they differ
`,
	"copy": `  lifeboat copy s3://bucket/app s3://second/app --to-profile second
  lifeboat copy s3://bucket/app file:///mnt/usb/app --class weekly --since 90d
  lifeboat copy --config lifeboat.yaml --to s3://second --to-profile second
`,
	"lifecycle": `  lifeboat lifecycle plan s3://bucket/app       what apply would change
  lifeboat lifecycle apply s3://bucket/app      once, with an admin's keys
  lifeboat lifecycle freeze s3://bucket/app     first thing on the worst day
`,
	"lifecycle plan": `  lifeboat lifecycle plan s3://bucket/app --keep-daily 30d
  lifeboat lifecycle plan s3://bucket/app --format terraform
`,
	"lifecycle apply": "  lifeboat lifecycle apply s3://bucket/app --keep-daily 30d\n",
	"lifecycle show":  "  lifeboat lifecycle show s3://bucket/app\n",
	"lifecycle release": `  lifeboat lifecycle release s3://bucket/app
  lifeboat lifecycle release s3://bucket/app --ignore-shrink
`,
	"lifecycle retire": `  lifeboat lifecycle retire s3://bucket/acme       only show what would go
  lifeboat lifecycle retire s3://bucket/acme --yes
`,
	"lifecycle freeze": "  lifeboat lifecycle freeze s3://bucket/app     first thing on the worst day\n",
	"lifecycle thaw":   "  lifeboat lifecycle thaw s3://bucket/app\n",
	"prune": `  lifeboat prune file:///mnt/nas/app                only show what would go
  lifeboat prune s3://bucket/app --keep-daily 30d --yes
`,
	"delete": `  lifeboat delete s3://bucket/app 20261120T170000Z-3f9c2a        only look
  lifeboat delete s3://bucket/app 20261120T170000Z-3f9c2a --yes
`,
	"series": `  lifeboat series s3://bucket             all in the bucket
  lifeboat series s3://bucket/web1        those below a prefix
  lifeboat series file:///mnt/nas --json | jq -r '.series[].url'
`,
	"config": "  lifeboat config check      what lifeboat backup would run\n",
	"config schema": `  lifeboat config schema >lifeboat.schema.json
`,
	"config check": `  lifeboat config check --config /etc/lifeboat.yaml
  lifeboat config check --json | jq -r '.databases[].url'
`,
	"pin":   "  lifeboat pin s3://bucket/app 20261120T17\n",
	"unpin": "  lifeboat unpin s3://bucket/app 20261120T17\n",
	"status": `  lifeboat status s3://bucket/app
  lifeboat status s3://bucket/app --max-age 26h --quiet    exits 9 if too old
  lifeboat status --config lifeboat.yaml    all databases that the file names
`,
	"report": `  lifeboat report s3://bucket/app -o report.html
  lifeboat report s3://bucket/app --every 1h --copy file:///mnt/app -o r.html
  lifeboat report s3://bucket/app --price-storage 0.023 --currency USD -o r.html
  lifeboat report --config lifeboat.yaml -o report.html
`,
	"doctor":  "  lifeboat doctor s3://bucket/app\n  lifeboat doctor file:///mnt/nas/app --json\n",
	"version": "  lifeboat version --json\n",
	"completion": `  lifeboat completion bash >/etc/bash_completion.d/lifeboat
  lifeboat completion zsh >/usr/local/share/zsh/site-functions/_lifeboat
  lifeboat completion fish >~/.config/fish/completions/lifeboat.fish
`,
}

// printHelp prints examples first: most people need nothing else. The error
// wraps errNotPrinted.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	return writeHelp(ctx, helpOf(ctx.Selected()))
}

// A helpAll is the flag that explains every flag of a command, where --help
// would be longer than a screen.
type helpAll bool

// BeforeReset implements kong's hook that runs before anything is checked.
func (helpAll) BeforeReset(ctx *kong.Context) error {
	if err := writeHelp(ctx, fullHelpOf(ctx.Selected())); err != nil {
		return err
	}
	ctx.Exit(exitDone)
	return nil
}

func writeHelp(ctx *kong.Context, text string) error {
	if _, err := io.WriteString(ctx.Stdout, text); err != nil {
		return fmt.Errorf("%w: %w", errNotPrinted, err)
	}
	return nil
}

// helpOf returns the help of a command, or of the program, in at most a screen.
func helpOf(command *kong.Node) string {
	full := fullHelpOf(command)
	if command == nil || strings.Count(full, "\n") <= helpHeight || len(groupsOf(command)) == 1 {
		return full
	}
	return helpWith(command, daily(groupsOf(command)))
}

// fullHelpOf explains every flag of a command.
func fullHelpOf(command *kong.Node) string {
	if command == nil {
		return topHelp
	}
	return helpWith(command, explained(groupsOf(command)))
}

// usageOf returns how a command is typed. Arguments in brackets may be left out.
func usageOf(command *kong.Node) string {
	usage := "lifeboat " + commandOf(command)
	for _, argument := range command.Positional {
		if argument.Required {
			usage += " " + argumentName(argument)
		} else {
			usage += " [" + argumentName(argument) + "]"
		}
	}
	if len(command.Children) > 0 {
		usage += " COMMAND"
	}
	return usage + " [flags]"
}

func helpWith(command *kong.Node, flags string) string {
	var b strings.Builder
	verb := commandOf(command)
	fmt.Fprintf(&b, "%s\n\n%s\nUsage: %s\n", command.Help, examples[verb], usageOf(command))
	for _, child := range command.Children {
		b.WriteString(helpRow("  "+child.Name, child.Help, 12))
	}
	return b.String() + flags + exitStatus(verb) + "\nEverywhere: " + everywhere + "\n"
}

// everywhere are the flags that every command has.
const everywhere = "-h, --help-all, -q, --debug, --log-format=text|json, --progress=json"
