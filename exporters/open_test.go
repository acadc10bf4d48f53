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
		{[]string{"jsonl=http://h"}, `"jsonl" is no kind of outlet: write KIND=ADDRESS, where KIND is one of influxdb, otlp, prometheus`},
		{[]string{"otlp", "otlp=grpc://collector:4317", prom}, ""},
		{[]string{"otlp=http://h", "otlp=http://h/v1/metrics"}, "otlp h/v1/metrics is there twice"},
		{[]string{"otlp=http://h:4317", "otlp=grpc://h:4317"}, "otlp h:4317/v1/metrics and otlp grpc h:4317 are two ways to one store"},
		{[]string{prom, "otlp=http://h:9090/api/v1/otlp"}, "prometheus h:9090/api/v1/write and otlp h:9090/api/v1/otlp/v1/metrics are two ways to one store, which would get every series twice"},
		{[]string{"otlp=https://user:secret@h/api/v1/otlp/v1/metrics", "prometheus=https://H/api/v1/write"}, "two ways to one store"},
		{[]string{"prometheus=http://127.0.0.1:9090/api/v1/write", "otlp=http://localhost:9090/api/v1/otlp"}, "two ways to one store"},
		{[]string{"prometheus=http://m/a/api/v1/push", "otlp=http://m/a/otlp"}, "two ways to one store"},
		{[]string{"prometheus=http://m/a/api/v1/push", "otlp=http://m/b/otlp"}, ""},
		{[]string{prom, "otlp=http://h:9091/api/v1/otlp"}, ""},
		{[]string{"prometheus=http://m/api/v1/push?header.X-Scope-OrgID=a", "otlp=http://m/otlp?header.X-Scope-OrgID=b"}, ""},
		{[]string{"otlp=h:4317"}, "has to begin with http://, https://, grpc:// or grpcs://"},
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
