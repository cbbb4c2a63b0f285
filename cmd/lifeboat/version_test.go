package main

import (
	"runtime/debug"
	"testing"
)

func TestThisBuild(t *testing.T) {
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision, modified := debug.BuildSetting{Key: "vcs.revision", Value: "3b8b20c"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		linked string
		info   *debug.BuildInfo
		want   build
	}{
		{"", nil, build{"unknown", "", false}},
		{"", info(""), build{"unknown", "", false}},
		{"", info("v1.2.3"), build{"1.2.3", "", false}},
		{"", info("(devel)", revision), build{"(devel)", "3b8b20c", false}},
		{"1.2.3", nil, build{"1.2.3", "", false}},
		{"1.2.3", info("(devel)", revision, modified), build{"1.2.3", "3b8b20c", true}},
	} {
		if got := thisBuild(c.linked, c.info); got != c.want {
			t.Errorf("%q, %v: %+v, want %+v", c.linked, c.info, got, c.want)
		}
	}
}
