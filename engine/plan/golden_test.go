package plan

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("found the plans %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(file, source, Options{})
			bad := strings.HasSuffix(file, ".bad.yaml")
			if bad != (err != nil) {
				t.Fatalf("Parse: %v", err)
			}
			got := ""
			if bad {
				got = err.Error() + "\n"
			} else {
				got = dump(p)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			diffLines(t, string(want), got)
		})
	}
}

// diffLines reports the lines in which two texts differ.
func diffLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, b, a)
		}
	}
}

// dump writes what a plan came to.
func dump(p *Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("plan %s labels %v seed %d max_series %d", p.Name, p.Labels, p.Seed, p.MaxSeries)
	line("target %s timeout %v redirects %d max %d", p.Target.BaseURL, p.Target.Timeout, p.Target.Redirects, p.Target.MaxResponseBytes)
	for _, h := range p.Target.Headers {
		line("  header %s: %s", h.Name, h.Value)
	}
	dumpAuth(line, p.Target.Auth)
	for _, d := range p.Data {
		line("data %s: %s %s, %d rows", d.Name, d.File, d.Order, d.Rows)
	}
	for _, c := range p.Classes {
		line("class %s at %v: weight %d fixed %d wait %s %v %v %g data %v", c.Name, c.Pos, c.Weight, c.Fixed, c.Wait.Kind, c.Wait.Min, c.Wait.Max, c.Wait.Rate, c.Data)
		for _, t := range c.Tasks {
			line("  task %s at %v: weight %d tags %v", t.Name, t.Pos, t.Weight, t.Tags)
			for _, s := range t.Steps {
				dumpStep(line, s)
			}
		}
	}
	if jobs := p.ScrapeConfigs(); jobs != nil {
		line("scrapes %q in %s", p.Scrape.Names, p.Scrape.Dir)
		line("%s", strings.TrimSpace(string(jobs)))
	}
	if p.Host != nil {
		line("host %v: jobs %q, processes %+v", p.Host.Interval, p.Host.Jobs(), p.Host.Processes)
	}
	for _, r := range p.Resources {
		line("resource %s at %v: %s, limit %s, unit %s, least %t", r.Name, r.Pos, r.PromQL, r.Limit, r.Unit, r.Least)
	}
	for _, x := range p.Limits() {
		if x.Preset == "" {
			line("  compared: %s: %s", x.Text, x.PromQL)
		}
	}
	for _, x := range p.Proxies {
		line("proxy %s at %v: http %t %s to %s by %q", x.Name, x.Pos, x.HTTP, x.Listen, x.Upstream, x.Toxiproxy)
	}
	if p.Trace.On {
		line("trace at %v: ratio %g slow %v", p.Trace.Pos, p.Trace.Ratio, p.Trace.Slow)
	}
	for _, o := range p.Objectives {
		line("objective %s at %v: %s %g service %t %v %s %g for %v abort %t", o.Text, o.Pos, o.Metric, o.Quantile, o.Service, o.Selector, o.Op, o.Threshold, o.For, o.Abort)
		if o.Preset != "" {
			line("  preset %s, in %q: %s", o.Preset, o.Unit, o.PromQL)
		}
	}
	for _, t := range p.Tests {
		s := t.Shape
		line("test %s at %v: %s %s poisson %t max_users %d stop %v classes %v tags %v exclude %v", t.Name, t.Pos, t.Type, s.Model, s.Poisson, s.MaxUsers, t.StopTimeout, t.Classes, t.Tags, t.ExcludeTags)
		for _, st := range s.Stages {
			line("  %-10s %g to %g over %v", st.Phase, st.From, st.To, st.Over)
		}
		if x := t.Search; x != nil {
			line("  search at %v: %g to %g add %g, trial %v after %v, budget %v, width %g, %d trials", x.Pos, x.From, x.To, x.Add, x.Trial, x.WarmUp, x.Budget, x.Width, x.Trials)
		}
		if t.WarmUp != nil {
			line("  warm-up %v", *t.WarmUp)
		}
		if x := t.Decide; x.On() {
			longest := t.Longest()
			line("  stops when decided %t, at most %v: the shape lasts %v at most", x.Stop, x.AtMost, longest.Duration())
		}
		for _, o := range t.Objectives {
			line("  objective %s", o.Text)
		}
		dumpFaults(line, &t)
	}
	return b.String()
}

func dumpFaults(line func(string, ...any), t *Test) {
	for _, f := range t.Faults {
		line("  fault %q of %q at %v: from %v for %v", f.Name, f.Proxy, f.Pos, f.At, f.For)
		switch {
		case f.TCP != nil:
			line("    tcp %+v", *f.TCP)
		case f.HTTP != nil:
			line("    http %+v", *f.HTTP)
		case f.Hook != nil:
			line("    hook %+v", *f.Hook)
		}
	}
	for _, w := range t.FaultWarnings() {
		line("  warning: %s", w)
	}
}

func dumpAuth(line func(string, ...any), a *Auth) {
	switch {
	case a == nil:
	case a.Token != nil:
		line("  bearer %s", a.Token)
	default:
		line("  basic %s:%s", a.User, a.Password)
	}
}

func dumpStep(line func(string, ...any), s Step) {
	condition := ""
	if s.If != nil {
		condition = " if " + s.If.String()
	}
	if s.Request == nil {
		line("    wait %s %v %v%s", s.Wait.Kind, s.Wait.Min, s.Wait.Max, condition)
		return
	}
	r := s.Request
	line("    %s %s as %q timeout %v%s", r.Method, r.URL, r.Name, r.Timeout, condition)
	for _, h := range r.Headers {
		line("      header %s: %s", h.Name, h.Value)
	}
	dumpAuth(line, r.Auth)
	if r.Body != nil {
		line("      body %s of type %q", r.Body, r.ContentType)
	}
	for _, c := range r.Checks {
		line("      check %s: %s", c.Name, c.Condition)
	}
	for _, x := range r.Extract {
		line("      extract %s: %s", x.Name, x.From)
	}
}

// Ten mistakes make ten errors, each where the mistake is.
func TestTenMistakes(t *testing.T) {
	source, err := os.ReadFile("testdata/ten.bad.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("testdata/ten.bad.yaml", source, Options{})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 10 {
		t.Fatalf("Parse: %d errors: %v", len(errs), err)
	}
	lines := strings.Split(string(source), "\n")
	at := []string{
		"localhost:8000", "timout:", "3", "jsn:", "= 201]", "idd}", "500", `"POST /payment"`, "{users: 50, spawn_rate: 10}", "PaymentUsers]}",
	}
	for i, e := range errs {
		if got := lines[e.Pos.Line-1][e.Pos.Column-1:]; !strings.HasPrefix(got, at[i]) {
			t.Errorf("error %d points at %q, expected %q: %v", i, got, at[i], e)
		}
	}
}
