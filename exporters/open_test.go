package exporters

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/store"
)

func noEnv(string) (string, bool) { return "", false }

func TestSpecs(t *testing.T) {
	const prom, influx = "prometheus=http://h:9090/api/v1/write", "influxdb=http://h:8086?org=o&bucket=b"
	for _, tt := range []struct {
		specs []string
		want  string // "" is fine
	}{
		{[]string{prom, influx}, ""},
		{[]string{prom, prom + "?header.X-Scope-OrgID=b"}, ""},
		{[]string{influx, influx + "2"}, ""},
		{nil, ""},
		{[]string{prom, prom}, "is there twice"},
		{[]string{prom, "prometheus=http://user:secret@h:9090/api/v1/write?histograms=classic"}, "prometheus h:9090/api/v1/write is there twice"},
		{[]string{influx, influx + "&buckets=true"}, "influxdb h:8086 o/b is there twice"},
		{[]string{"otlp=http://h"}, `"otlp" is no kind of outlet: write KIND=ADDRESS, where KIND is one of influxdb, prometheus`},
		{[]string{"http://user:secret@h?a=b"}, "is no kind of outlet"},
		{[]string{""}, "is no kind of outlet"},
		{[]string{"prometheus"}, "is no kind of outlet"},
		{[]string{"prometheus="}, "has to begin with http://"},
		{[]string{prom + "?timeout=-1s"}, "give a length of time"},
	} {
		err := Check(tt.specs, noEnv)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.specs, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error has the password in it: %v", tt.specs, err)
		}
		dir := t.TempDir()
		s, openErr := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
		if openErr != nil {
			t.Fatal(openErr)
		}
		set, openErr := Open(Options{Specs: tt.specs, Dir: filepath.Join(dir, "outlets"), Store: s, Getenv: noEnv, Within: time.Second})
		if (openErr == nil) != (err == nil) {
			t.Errorf("%q: Open says %v, Check %v", tt.specs, openErr, err)
		}
		if openErr == nil && len(set.Books()) != len(tt.specs) {
			t.Errorf("%q: %d outlets", tt.specs, len(set.Books()))
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "outlets", "*.json")); openErr == nil && len(files) != len(tt.specs) {
			t.Errorf("%q: files %q", tt.specs, files)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOptionsAreDocumented: README.md names every option there is.
func TestOptionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"timeout=", "token_file=", "header.", "ca=", "cert=", "key=", "server_name=", "insecure_skip_verify=", "histograms=", "protocol=", "org=", "bucket=", "buckets="} {
		if !strings.Contains(string(text), "`"+option) && !strings.Contains(string(text), option) {
			t.Errorf("README.md says nothing of the option %s", option)
		}
	}
}
