package exporters

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
	"tidegauge/exporters/internal/client"
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
		{[]string{prom, prom}, "send to the same store"},
		{[]string{prom, "prometheus=http://user:secret@H:9090/api/v1/write?histograms=classic"}, "prometheus h:9090/api/v1/write (#0) and prometheus H:9090/api/v1/write (#1) send to the same store: a series goes to one store by one way"},
		{[]string{"prometheus=http://localhost/api/v1/write", "prometheus=http://[::1]:80/api/v1/write"}, "send to the same store"},
		{[]string{influx, influx + "&buckets=true"}, "influxdb h:8086 o/b (#0) and influxdb h:8086 o/b (#1) send to the same store"},
		{[]string{"prometheus=http://localhost:9777/api/v1/write"}, "prometheus localhost:9777/api/v1/write (#0) leads back to tidegauge itself, which listens on 127.0.0.1:9777"},
		{[]string{"carbon=http://h"}, `"carbon" is no kind of outlet: write KIND=ADDRESS, where KIND is one of grafana, influxdb, otlp, prometheus`},
		{[]string{"grafana=http://h:3000", "grafana=http://h:3000/"}, "send to the same store"},
		{[]string{"grafana=http://h:3000?dashboard=1"}, "has an option that there is not"},
		{[]string{"otlp", "otlp=grpc://collector:4317", prom}, ""},
		{[]string{"grafana=http://localhost:9777"}, "leads back to tidegauge itself"},
		{[]string{"otlp=http://col:4318", "otlp=grpc://col:4317"}, "send to the same store"},
		{[]string{"otlp=http://localhost:8428/opentelemetry", "influxdb=http://127.0.0.1:8428?org=o&bucket=b"}, "send to the same store"},
		{[]string{"prometheus=http://localhost:9090//api/v1/write/", "prometheus=http://0.0.0.0:9090/./api/v1/write"}, "send to the same store"},
		{[]string{"otlp=http://h", "otlp=http://h/v1/metrics"}, "send to the same store"},
		{[]string{"otlp=http://h:4317", "otlp=grpc://h:4317"}, "otlp h:4317 (#0) and otlp grpc h:4317 (#1) send to the same store"},
		{[]string{prom, "otlp=http://h:9090/api/v1/otlp"}, "prometheus h:9090/api/v1/write (#0) and otlp h:9090/api/v1/otlp (#1) send to the same store"},
		{[]string{"otlp=https://user:secret@h/api/v1/otlp/v1/metrics", "prometheus=https://H/api/v1/write"}, "send to the same store"},
		{[]string{"prometheus=http://127.0.0.1:9090/api/v1/write", "otlp=http://localhost:9090/api/v1/otlp"}, "send to the same store"},
		{[]string{"prometheus=http://m/a/api/v1/push", "otlp=http://m/a/otlp"}, "send to the same store"},
		{[]string{"prometheus=http://m/a/api/v1/push", "otlp=http://m/b/otlp"}, ""},
		{[]string{prom, "otlp=http://h:9091/api/v1/otlp"}, ""},
		{[]string{"prometheus=http://m/api/v1/push?header.X-Scope-OrgID=a", "otlp=http://m/otlp?header.X-Scope-OrgID=b"}, ""},
		{[]string{"otlp=h:4317"}, "has to begin with http://, https://, grpc:// or grpcs://"},
		{[]string{"http://user:secret@h?a=b"}, "is no kind of outlet"},
		{[]string{""}, "is no kind of outlet"},
		{[]string{"prometheus"}, "is no kind of outlet"},
		{[]string{"prometheus=http://127.0.0.1:8428/api/v1/write", "influxdb=http://localhost:8428?org=o&bucket=b"}, "send to the same store"},
		{[]string{"prometheus=http://127.0.0.1/api/v1/write", "influxdb=http://127.0.0.1?org=o&bucket=b"}, ""},
		{[]string{"otlp=ftp://user:secret@h/x"}, "the address ftp://user:xxxxx@h/x has to begin with http://"},
		{[]string{"prometheus="}, "the address is empty: it has to begin with http://"},
		{[]string{"prometheus=127.0.0.1:9090/api/v1/write"}, "the address 127.0.0.1:9090/api/v1/write has to begin with http://"},
		{[]string{prom + "?timeout=-1s"}, "give a length of time"},
	} {
		var specs []Spec
		var err error
		for i, text := range tt.specs {
			one, parseErr := ParseSpec(text, fmt.Sprintf("#%d", i))
			err = errors.Join(err, parseErr)
			specs = append(specs, one)
		}
		if err == nil {
			err = Check(specs, "127.0.0.1:9777", noEnv)
		}
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
		set, openErr := Open(Options{Specs: specs, Listen: "127.0.0.1:9777", Dir: filepath.Join(dir, "outlets"), Store: s, Getenv: noEnv, Within: time.Second})
		if (openErr == nil) != (err == nil) {
			t.Errorf("%q: Open says %v, Check %v", tt.specs, openErr, err)
		}
		if openErr == nil && len(samplesOf(set.Books())) != len(tt.specs) {
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

// Outlets of one server that take different things do not get in each other's way.
func TestDifferentSignals(t *testing.T) {
	for _, specs := range [][]string{
		{"grafana=http://h:9090", "prometheus=http://h:9090/api/v1/write", "otlp=http://h:9090?signals=logs"},
		{"otlp=http://col:4318?signals=logs,traces", "otlp=grpc://col:4317?signals=metrics"},
	} {
		if err := Check(specsOf(t, specs...), "", noEnv); err != nil {
			t.Errorf("%q: %v", specs, err)
		}
	}
}

func specsOf(t testing.TB, texts ...string) []Spec {
	t.Helper()
	var specs []Spec
	for _, text := range texts {
		one, err := ParseSpec(text, "--out")
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, one)
	}
	return specs
}

// TestNames: an outlet is called as its description says, and goes on where it was when it is called otherwise.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Kind: "prometheus", Address: "http://h:9090/api/v1/write"}
	for _, name := range []string{"", "ours", "theirs"} {
		spec.Name = name
		set, err := Open(Options{Specs: []Spec{spec}, Dir: filepath.Join(dir, "outlets"), Store: s, Getenv: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		want := name
		if want == "" {
			want = "prometheus h:9090/api/v1/write"
		}
		if got := set.Books()[0].Outlet; got != want {
			t.Errorf("named %q it is %q, want %q", name, got, want)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "outlets", "*.json")); len(files) != 1 {
		t.Errorf("files %q, want one for all names", files)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	twice := []Spec{spec, {Kind: "influxdb", Address: "http://h?org=o&bucket=b", Name: "theirs"}}
	if err := Check(twice, "", noEnv); err == nil || !strings.Contains(err.Error(), "have the same name") {
		t.Errorf("two outlets of one name: %v", err)
	}
}

// TestOptionsAreDocumented: README.md names every option there is.
func TestOptionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range Kinds() {
		for _, option := range append(OptionsOf(kind), Option{Name: "header.NAME"}) {
			if !strings.Contains(string(text), option.Name+"=") {
				t.Errorf("README.md says nothing of the option %s=", option.Name)
			}
		}
	}
}

// samplesOf returns the books of outlets of samples.
func samplesOf(books []outlet.Books) []outlet.Books {
	return slices.DeleteFunc(slices.Clone(books), func(b outlet.Books) bool { return b.Signal != "" })
}

// TestREADMEAddresses: every --out that README.md shows names an outlet, and headers of tenants become headers.
func TestREADMEAddresses(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tenants := 0
	shown := regexp.MustCompile(`(?m)^tidegauge (?:run|serve) .*--out '?([^'\s]+)`).FindAllSubmatch(text, -1)
	for _, one := range shown {
		spec, err := ParseSpec(string(one[1]), "README.md")
		if err != nil {
			t.Errorf("%s: %v", one[1], err)
			continue
		}
		if err := Check([]Spec{spec}, "", noEnv); err != nil {
			t.Errorf("%s: %v", one[1], err)
		}
		a, err := client.Parse(spec.Address, "histograms", "org", "bucket")
		if err != nil {
			continue // not one of HTTP
		}
		if v := a.Headers.Get("X-Scope-OrgID") + a.Headers.Get("THANOS-TENANT"); v == "team-a" {
			tenants++
		}
	}
	if len(shown) < 9 || tenants != 3 {
		t.Errorf("%d addresses are shown, %d of them with a tenant", len(shown), tenants)
	}
}
