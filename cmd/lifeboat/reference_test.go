package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/answer"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/restore/extract"
)

// Every field of a JSON document stands in the reference, under its command.
func TestReferenceHasEveryField(t *testing.T) {
	text := docstest.Read(t, docstest.Page(t, "reference"))
	for heading, documents := range map[string][]any{
		"An error":                    {failureDocument{}, errorDocument{}},
		"A line of progress":          {terminal.Step{}},
		"A message":                   {reports.Message{}},
		"A snapshot":                  {snapshotDocument{}, retainedDocument{}},
		"backup":                      {backupDocument{}, manyDocument{}, previewDocument{}, manyPreviewsDocument{}},
		"config check":                {scheduleDocument{}},
		"Several databases":           {resultsDocument{}},
		"list":                        {listDocument{}, versionsDocument{}},
		"show":                        {showDocument{}},
		"restore":                     {restoreDocument{}, planDocument{}},
		"verify":                      {verifyDocument{}},
		"drills":                      {drillsDocument{}, recordDocument{}},
		"query":                       {queryHead{}, answer.Answer{}, queryTail{}},
		"extract":                     {extractDocument{}, extract.Report{}, extract.Table{}, extract.Omission{}, extract.Dangling{}, extract.Masking{}},
		"diff":                        {diffHead{}, diffTail{}},
		"copy":                        {copyDocument{}},
		"lifecycle plan, apply, show": {rulesDocument{}},
		"lifecycle freeze, thaw":      {freezeDocument{}},
		"lifecycle release":           {releaseDocument{}},
		"lifecycle retire":            {retireDocument{}},
		"prune":                       {pruneDocument{}},
		"series":                      {treeDocument{}},
		"delete":                      {deleteDocument{}},
		"pin, unpin":                  {pinDocument{}},
		"status":                      {healthDocument{}, manyHealthDocument{}},
		"doctor":                      {doctorDocument{}},
		"version":                     {versionDocument{}},
	} {
		_, section, found := strings.Cut(text, "\n### "+heading+"\n")
		if !found {
			t.Errorf("no heading %s", heading)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		var named []string
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(section, -1) {
			named = append(named, word[1])
		}
		for _, document := range documents {
			for _, field := range fieldsOf(reflect.TypeOf(document)) {
				if !slices.Contains(named, field) {
					t.Errorf("%s: %s of %T is not explained", heading, field, document)
				}
			}
		}
	}
}

// fieldsOf returns the JSON names of a document's fields, and of those of the
// documents in it, but for those of a snapshot or an error, which have a section
// of their own, and of a manifest.
func fieldsOf(of reflect.Type) (names []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldsOf(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		if ours := strings.HasPrefix(field.Type.String(), "main.") || strings.Contains(field.Type.String(), "]main.") || strings.HasPrefix(field.Type.String(), "*main."); !ours {
			continue
		}
		if inner := strings.TrimLeft(field.Type.String(), "[]*"); !slices.Contains([]string{"main.snapshotDocument", "main.retainedDocument", "main.errorDocument"}, inner) {
			names = append(names, fieldsOf(field.Type)...)
		}
	}
	return names
}
