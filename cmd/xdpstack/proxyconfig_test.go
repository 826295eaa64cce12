package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/xdpstack/xdpstack/proxy"
)

// parseProxy reads flags, and the file that -c names, as the command does.
func parseProxy(t *testing.T, words string) (proxyConfig, error) {
	t.Helper()
	var c proxyConfig
	var file string
	f := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	f.StringVarP(&file, "config", "c", "", "")
	c.register(f)
	if err := f.Parse(strings.Fields(words)); err != nil {
		t.Fatal(err)
	}
	return c.merge(f, file)
}

func TestProxyFlags(t *testing.T) {
	c, err := parseProxy(t, "-i xs0 --addr 198.18.0.2/24 --listen :80 --listen :81 --to 198.18.0.9:8080,[2001:2::9]:8080 --proxy-protocol v2 --idle-timeout 30s")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.proxy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := []netip.AddrPort{netip.MustParseAddrPort("198.18.0.9:8080"), netip.MustParseAddrPort("[2001:2::9]:8080")}
	want := proxy.Config{IdleTimeout: 30 * time.Second, Listeners: []proxy.Listener{
		{Address: ":80", Backends: to, Header: proxy.HeaderV2},
		{Address: ":81", Backends: to, Header: proxy.HeaderV2},
	}}
	if !reflect.DeepEqual(got, want) || c.Host.Interface != "xs0" || c.Host.Poll != "adaptive" {
		t.Errorf("%+v\n%+v", got, c.Host)
	}
}

// TestProxyFile: the flags' names as keys, more listeners, and flags that win.
func TestProxyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	text := `interface: xs0
addr: [198.18.0.2/24]
poll: busy
listen: [":80"]
to: [198.18.0.9:80]
listeners:
  - listen: [":443"]
    to: [198.18.0.9:443, 198.18.0.10:443]
    proxy-protocol: v1
connect-timeout: 1s
idle-timeout: 1m30s
max-connections: 100
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseProxy(t, "-c "+file+" --connect-timeout 2s --to 198.18.0.11:80")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.proxy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	port := netip.MustParseAddrPort
	want := proxy.Config{
		ConnectTimeout: 2 * time.Second, IdleTimeout: 90 * time.Second, MaxConnections: 100,
		Listeners: []proxy.Listener{
			{Address: ":80", Backends: []netip.AddrPort{port("198.18.0.11:80")}},
			{Address: ":443", Backends: []netip.AddrPort{port("198.18.0.9:443"), port("198.18.0.10:443")}, Header: proxy.HeaderV1},
		},
	}
	if !reflect.DeepEqual(got, want) || c.Host.Interface != "xs0" || c.Host.Poll != "busy" {
		t.Errorf("%+v\n%+v", got, c.Host)
	}
}

func TestWrongProxyWords(t *testing.T) {
	dir := t.TempDir()
	misspelt := filepath.Join(dir, "misspelt.yaml")
	nested := filepath.Join(dir, "nested.yaml")
	bare := filepath.Join(dir, "bare.yaml")
	unit := filepath.Join(dir, "unit.yaml")
	word := filepath.Join(dir, "word.yaml")
	for file, text := range map[string]string{
		bare:     "interface: xs0\nlisten: \":80\"\n",
		unit:     "interface: xs0\nidle-timeout: 5\n",
		word:     "interface: xs0\n\nmtu: big\n",
		misspelt: "interface: xs0\nlistne: [\":80\"]\n",
		nested:   "interface: xs0\nlisteners:\n  - listen: [\":80\"]\n    too: [198.18.0.9:80]\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const i = "proxy -i xs0 --addr 198.18.0.2/24 "
	for _, c := range []struct {
		words, want string
		code        int
	}{
		{"proxy --listen :80 --to 198.18.0.9:80", "name the device with -i", exitUsage},
		{i, "nothing to do", exitUsage},
		{i + "--listen :80", "give one with --to", exitUsage},
		{i + "--to 198.18.0.9:80", "give one with --listen", exitUsage},
		{i + "--listen :80 --to 198.18.0.9", "is not a host and its port", exitUsage},
		{i + "--listen :80 --to 198.18.0.9:0", "is not a host and its port", exitUsage},
		{i + "--listen :80 --to 198.18.0.9:http", "is not a host and its port", exitUsage},
		{i + "--listen :80 --to nosuch.invalid:80", "--to nosuch.invalid:80: lookup nosuch.invalid", exitNotFound},
		{i + "--listen :80 --to :80", "is not a host and its port", exitUsage},
		{i + "--listen :80 --to 198.18.0.9:80 --proxy-protocol v3", "there are none, v1 and v2", exitUsage},
		{i + "--listen :80 --to 198.18.0.9:80 --idle-timeout soon", "soon", exitUsage},
		{i + "--listne :80", "did you mean --listen?", exitUsage},
		{"proxy -c " + bare, "line 2: string was used where sequence is expected; write a list", exitUsage},
		{"proxy -c " + unit, `line 2: "5" where a duration, such as 30s is expected`, exitUsage},
		{"proxy -c " + word, `line 3: "big" where a whole number is expected`, exitUsage},
		{"proxy -c " + misspelt, "line 2: unknown field", exitUsage},
		{"proxy -c " + nested, "line 4: unknown field", exitUsage},
		{"proxy -c " + dir + "/none.yaml", "no such file", exitNotFound},
		{"proxy here", "unknown command", exitUsage},
	} {
		wantLine(t, inProcess(strings.Fields(c.words)...), c.code, "xdpstack: ", c.want)
	}
}
