package services

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Spec
	}{
		{"echo", Spec{"echo", ":7", ""}},
		{"echo=:7007", Spec{"echo", ":7007", ""}},
		{"discard=198.18.0.2:9", Spec{"discard", "198.18.0.2:9", ""}},
		{"chargen=[2001:2::2]:19", Spec{"chargen", "[2001:2::2]:19", ""}},
		{"http=:80,/srv/www", Spec{"http", ":80", "/srv/www"}},
		{"http=,a,b", Spec{"http", ":80", "a,b"}},
		{"go-http=:8080,.", Spec{"go-http", ":8080", "."}},
	} {
		got, err := Parse(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("%s: %q is read as %+v, %v", c.text, got.String(), again, err)
		}
	}
}

func TestParseSaysWhatThereIs(t *testing.T) {
	for _, c := range []struct {
		text string
		is   error
		want string
	}{
		{"ecko", ErrUnknown, "there are chargen, discard, echo, go-http, http"},
		{"", ErrUnknown, "there are"},
		{"echo=7", ErrConfig, "missing port in address; write echo or echo=:7"},
		{"echo=:seven", ErrConfig, "not a port"},
		{"echo=:70000", ErrConfig, "not a port"},
		{"echo=:0", ErrConfig, "not a port"},
		{"echo=host:7", ErrConfig, "not an IP address"},
		{"echo=:7,/srv", ErrConfig, "takes no folder"},
		{"http", ErrConfig, "needs a folder; write http=:80,FOLDER"},
		{"go-http=:8080", ErrConfig, "needs a folder; write go-http=:8080,FOLDER"},
	} {
		_, err := Parse(c.text)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

func TestParseAll(t *testing.T) {
	dir := t.TempDir()
	got, err := ParseAll([]string{"echo, discard", "http=:80," + dir, "chargen=:1919"})
	want := []Spec{{"echo", ":7", ""}, {"discard", ":9", ""}, {"http", ":80", dir}, {"chargen", ":1919", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseAll([]string{"http=:80," + file}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "not a folder") {
		t.Error(err)
	}
	if _, err := ParseAll([]string{"http=:80," + file + "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
