// Sbom prints the bill of materials of a release, as SPDX 2.3: what is in these
// binaries by what the Go toolchain has written into them, and these files by their
// checksums. The same files give the same bill.
//
//	sbom -version 1.2.3 -created 1800000000 -libc 2.36 FILE...
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spdx/tools-golang/json"

	"github.com/lifeboat-sqlite/lifeboat/deploy/sbom/licences"
)

func main() {
	version := flag.String("version", "", "The `version` of the release.")
	created := flag.Int64("created", 0, "When its commit was made, in `seconds` since 1970.")
	certificates := flag.String("certificates", "", "The `version` of the package ca-certificates that the image has.")
	libc := flag.String("libc", "", "The `version` of the C library in static binaries.")
	flag.Parse()
	doc, err := bill(*version, time.Unix(*created, 0).UTC(), *certificates, *libc, flag.Args(), licences.Of)
	if err == nil {
		err = json.Write(doc, os.Stdout, json.Indent("  "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}
