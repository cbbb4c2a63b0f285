package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

const topHelp = `Lifeboat ships a live SQLite database to a bucket and brings it back.

  lifeboat backup app.db s3://bucket/app      take a snapshot now; for cron
  lifeboat list s3://bucket/app               what is there
  lifeboat restore s3://bucket/app app.db     the newest one, into a new file
  lifeboat restore s3://bucket/app app.db --replace --at "2026-11-20 17:00"

A bucket URL is the place of one database's snapshots: s3://bucket/prefix on
any S3-compatible store, or file:///dir for a directory.

Commands:
  backup     take a snapshot of a live database and ship it
  list       list the snapshots, newest last
  show       show what a snapshot says of itself
  restore    bring a snapshot back
  version    print the version

Each has --help. Every flag is also an environment variable: --max-rate is
LIFEBOAT_MAX_RATE. Keys, region and endpoint come from the AWS settings, such
as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3.
`

// examples stand before the flags in a command's help.
var examples = map[string]string{
	"backup": `  lifeboat backup /data/app.db s3://bucket/app
  lifeboat backup /data/app.db file:///mnt/nas/app --max-rate 20MiB
`,
	"list": `  lifeboat list s3://bucket/app
  lifeboat list s3://bucket/app --json | jq -r '.snapshots[-1].id'
`,
	"show": `  lifeboat show s3://bucket/app
  lifeboat show s3://bucket/app --snapshot 20261120T17
`,
	"restore": `  lifeboat restore s3://bucket/app app.db                      the newest
  lifeboat restore s3://bucket/app app.db --dry-run            only say what would happen
  lifeboat restore s3://bucket/app app.db --replace --at "2026-11-20 17:00"
  lifeboat restore s3://bucket/app - >copy.db                  to stdout
`,
	"version": "  lifeboat version --json\n",
}

// printHelp prints examples first: most people need nothing else.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	selected := ctx.Selected()
	if selected == nil {
		_, err := io.WriteString(ctx.Stdout, topHelp)
		return err
	}
	if _, err := fmt.Fprintf(ctx.Stdout, "%s\n\n%s\n", selected.Help, examples[selected.Name]); err != nil {
		return err
	}
	selected.Help = ""
	return kong.DefaultHelpPrinter(options, ctx)
}
