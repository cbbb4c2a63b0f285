package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

const topHelp = `Lifeboat ships a live SQLite database to a bucket and brings it back.

  lifeboat backup app.db s3://bucket/app      take a snapshot now; for cron
  lifeboat list s3://bucket/app               what is there
  lifeboat restore s3://bucket/app app.db     the newest one, into a new file
  lifeboat restore s3://bucket/app app.db --replace --at "2026-11-20 17:00"

A bucket URL holds one database's snapshots: s3://bucket/prefix or file:///dir.

Commands:
  backup     take a snapshot of a live database and ship it
  list       list the snapshots, newest last; show: what is in one of them
  restore    bring a snapshot back
  verify     a restore drill: prove that a snapshot can be restored
  lifecycle  retention by the bucket's own rules: plan, apply, freeze and more
  prune      delete snapshots whose time is over, where no rules do it
  pin        keep a snapshot until unpin
  config     check the file that names many databases: lifeboat.yaml
  status     is the newest snapshot young enough? for probes and people
  doctor     try out what a bucket and its credentials can do
  version    print the version; completion: what bash, zsh or fish needs for it

Each has --help. Every flag is also a variable, such as LIFEBOAT_MAX_RATE. The
keys and endpoint are AWS settings, such as AWS_ENDPOINT_URL_S3 or a profile.
`

// examples stand before the flags in a command's help.
var examples = map[string]string{
	"backup": `  lifeboat backup /data/app.db s3://bucket/app
  lifeboat backup /data/app.db file:///mnt/nas/app --max-rate 20MiB
  lifeboat backup /data/app.db s3://bucket/app --age-recipient age1...  encrypt
  lifeboat backup --config lifeboat.yaml    all databases that the file names
  lifeboat backup /data/app.db s3://bucket/app --metrics-file /metrics/app.prom
`,
	"list": `  lifeboat list s3://bucket/app
  lifeboat list s3://bucket/app --json | jq -r '.snapshots[-1].id'
  lifeboat list s3://bucket/app --versions      overwritten and deleted ones too
`,
	"show": `  lifeboat show s3://bucket/app
  lifeboat show s3://bucket/app --snapshot 20261120T17
`,
	"restore": `  lifeboat restore s3://bucket/app app.db             the newest, to a new file
  lifeboat restore s3://bucket/app app.db --dry-run   show what would happen
  lifeboat restore s3://bucket/app app.db --replace --at "2026-11-20 17:00"
  lifeboat restore s3://bucket/app app.db --live      applications have it open
  lifeboat restore s3://bucket/app app.db --if-missing --allow-empty  at start
  lifeboat restore s3://bucket/app - >copy.db         to stdout
`,
	"verify": `  lifeboat verify s3://bucket/app                     the newest; from cron
  lifeboat verify s3://bucket/app --sql 'SELECT count(*) > 1000 FROM orders'
  lifeboat verify s3://bucket/app --sample 3 --check full --json
  lifeboat verify s3://bucket/app --all --fast        no disk needed
  lifeboat verify s3://bucket/app --metrics-file /metrics/app.prom
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
	"lifecycle freeze": "  lifeboat lifecycle freeze s3://bucket/app     first thing on the worst day\n",
	"lifecycle thaw":   "  lifeboat lifecycle thaw s3://bucket/app\n",
	"prune": `  lifeboat prune file:///mnt/nas/app                only show what would go
  lifeboat prune s3://bucket/app --keep-daily 30d --yes
`,
	"config": "  lifeboat config check      what lifeboat backup would run\n",
	"config check": `  lifeboat config check --config /etc/lifeboat.yaml
  lifeboat config check --json | jq -r '.databases[].url'
`,
	"pin":   "  lifeboat pin s3://bucket/app --snapshot 20261120T17\n",
	"unpin": "  lifeboat unpin s3://bucket/app --snapshot 20261120T17\n",
	"status": `  lifeboat status s3://bucket/app
  lifeboat status s3://bucket/app --max-age 26h --quiet    exits 9 if too old
  lifeboat status --config lifeboat.yaml    all databases that the file names
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
	return writeHelp(ctx, helpOf(ctx.Model, ctx.Selected()))
}

// A helpAll is the flag that explains every flag of a command, where --help
// would be longer than a screen.
type helpAll bool

// BeforeReset implements kong's hook that runs before anything is checked.
func (helpAll) BeforeReset(ctx *kong.Context) error {
	if err := writeHelp(ctx, fullHelpOf(ctx.Model, ctx.Selected())); err != nil {
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
func helpOf(model *kong.Application, command *kong.Node) string {
	full := fullHelpOf(model, command)
	if command == nil || strings.Count(full, "\n") <= helpHeight || len(groupsOf(command)) == 1 {
		return full
	}
	return helpWith(model, command, named(groupsOf(command)))
}

// fullHelpOf explains every flag of a command.
func fullHelpOf(model *kong.Application, command *kong.Node) string {
	if command == nil {
		return topHelp
	}
	return helpWith(model, command, explained(groupsOf(command)))
}

func helpWith(model *kong.Application, command *kong.Node, flags string) string {
	var b strings.Builder
	verb := commandOf(command)
	fmt.Fprintf(&b, "%s\n\n%s\nUsage: %s %s\n", command.Help, examples[verb], model.Name, command.Summary())
	for _, child := range command.Children {
		b.WriteString(row("  "+child.Name, child.Help, 12))
	}
	return b.String() + flags + exitStatus(verb) + "\nEverywhere: -h, --help, --help-all, -q, --quiet, --debug, --log-format=text|json\n"
}
