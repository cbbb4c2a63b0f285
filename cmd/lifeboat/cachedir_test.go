package main

import "testing"

func TestCacheDir(t *testing.T) {
	for _, test := range []struct {
		asked string
		env   map[string]string
		want  string
	}{
		{"here", map[string]string{"CACHE_DIRECTORY": "/var/cache/lifeboat", "HOME": "/root"}, "here"},
		{"", map[string]string{"CACHE_DIRECTORY": "/var/cache/lifeboat:/var/cache/more", "XDG_CACHE_HOME": "/x", "HOME": "/root"}, "/var/cache/lifeboat"},
		{"", map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/root"}, "/x/lifeboat"},
		{"", map[string]string{"XDG_CACHE_HOME": "x", "HOME": "/root"}, "/root/.cache/lifeboat"}, // the specification ignores such a one
		{"", map[string]string{"HOME": "/root"}, "/root/.cache/lifeboat"},
		{"", map[string]string{"HOME": ""}, ""},
	} {
		if got := cacheDir(test.asked, func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%q, %v: %q, want %q", test.asked, test.env, got, test.want)
		}
	}
}
