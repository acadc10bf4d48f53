package answer

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const mib = 1 << 20

// series is one value a second for d: a level, a growth a second and noise.
func series(d time.Duration, of func(second float64) float64, noise float64) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, int(d.Seconds()))
	for i := range values {
		values[i] = of(float64(i)) * (1 + noise*r.NormFloat64())
	}
	return values
}

func steadyValues(d time.Duration) Values {
	v := Values{Start: 5 * time.Second, Step: time.Second, Width: d}
	v.P50 = series(d, func(float64) float64 { return 0.005 }, 0.05)
	v.P95 = series(d, func(float64) float64 { return 0.02 }, 0.1)
	v.Goodput = series(d, func(float64) float64 { return 50 }, 0.05)
	v.Failures = make([]float64, len(v.P50))
	return v
}

func memory(values []float64) SoakSeries {
	return SoakSeries{Subject: "memory of web", Unit: "By", Start: 5 * time.Second, Step: time.Second, Values: values, Least: true}
}

func constant(v float64) func(float64) float64 { return func(float64) float64 { return v } }

func TestSoakAnswer(t *testing.T) {
	const length = 200 * time.Second
	leaking := memory(series(length, func(s float64) float64 { return 60*mib + mib*s }, 0.005))
	limited := leaking
	limited.Limit = 1 << 30
	restarted := memory(series(length, func(s float64) float64 { return 60*mib + mib*math.Mod(s, 150) }, 0.001))
	restarted.Started = series(length, func(s float64) float64 { return 1000 + 500*math.Floor(s/150) }, 0)
	files := SoakSeries{Subject: "open files of web", Unit: "1", Step: time.Second, Values: series(length, func(s float64) float64 { return math.Floor(20 + s/100) }, 0)}
	filling := memory(series(length, func(s float64) float64 { return 200*mib - 140*mib*math.Exp(-s/60) }, 0.002))
	degrading := steadyValues(length)
	degrading.P95 = series(length, func(s float64) float64 { return 0.02 * (1 + s/200) }, 0.05)
	coarse := func(growth float64) SoakInput {
		v := steadyValues(40 * time.Second) // of as many steps
		v.P95 = series(40*time.Second, func(s float64) float64 { return 0.02 * (1 + growth*s/40) }, 0.02)
		in := SoakInput{Values: v, Trends: v, Resources: []SoakSeries{files}}
		in.Settling = Settle(v, true)
		return in
	}
	fine := SoakInput{Values: steadyValues(40 * time.Second), Trends: degrading, Resources: []SoakSeries{files}}
	for _, c := range []struct {
		name     string
		in       SoakInput
		standing Standing
		code     string
		text     string
		warning  string
	}{
		{"too short for a trend of response times", coarse(0), Good, "", "Whether it degrades is not known from so short a run: p95 of response time, failed requests could not be judged", ""},
		{"the same, and they rose", coarse(0.6), Undecided, CodeGrowing, "But p95 rose by ", ""},
		{"slower and slower, in finer steps", fine, Bad, CodeDegradation, "It degrades: p95 of response time grows by", ""},
		{"a leak", SoakInput{Resources: []SoakSeries{leaking}}, Bad, CodeLeak, "It leaks: memory of web grows by", ""},
		{"a leak with a limit", SoakInput{Resources: []SoakSeries{limited}}, Bad, CodeLeak, "reaches its limit of 1 GiB in about 13 minutes", ""},
		{"a leak and a restart", SoakInput{Resources: []SoakSeries{restarted}}, Bad, CodeLeak, "memory of web grows", "was started anew in the run; judged is the longest stretch without, from 5 s to 2m35s"},
		{"none", SoakInput{Resources: []SoakSeries{memory(series(length, constant(60*mib), 0.01)), files}}, Good, "", "Nothing leaks: memory of web, open files of web did not grow", ""},
		{"a constant series", SoakInput{Resources: []SoakSeries{memory(series(length, constant(60*mib), 0))}}, Good, "", "Nothing leaks", ""},
		{"a cache that fills", SoakInput{Resources: []SoakSeries{filling}}, Undecided, CodeGrowing, "may be saturating", ""},
		{"slower and slower", SoakInput{Values: degrading, Resources: []SoakSeries{files}}, Bad, CodeDegradation, "It degrades: p95 of response time grows by", ""},
		{"nothing scraped", SoakInput{}, Undecided, CodeUnanswered, "no metrics of its servers were scraped", ""},
		{"nothing to be seen", SoakInput{Scraped: true}, Undecided, CodeUnanswered, "the servers that were scraped show no memory", ""},
		{"a resource that nobody shows", SoakInput{Resources: []SoakSeries{files}, Missing: []string{"jobs"}}, Undecided, CodeUnanswered, "no server that was scraped shows jobs, which the plan has under resources; open files of web did not grow", ""},
		{"a leak and a resource that nobody shows", SoakInput{Resources: []SoakSeries{leaking}, Missing: []string{"jobs"}}, Bad, CodeLeak, "It leaks: memory of web", "no server that was scraped shows jobs"},
		{"too short", SoakInput{Values: steadyValues(30 * time.Second), Scraped: true, Resources: []SoakSeries{memory(series(30*time.Second, constant(mib), 0.1))}},
			Undecided, CodeUnanswered, "is too short", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Constant = true
			if c.in.Values.Step == 0 {
				c.in.Values = steadyValues(length)
			}
			a := SoakAnswer(c.in)
			if a.Standing != c.standing || a.Code != c.code || !strings.Contains(a.Text, c.text) {
				t.Errorf("%s %q: %s\nwant %s %q: …%s…", a.Standing, a.Code, a.Text, c.standing, c.code, c.text)
			}
			if !strings.Contains(strings.Join(a.Warnings, "\n"), c.warning) {
				t.Errorf("warnings %q, want %q", a.Warnings, c.warning)
			}
		})
	}
	if a := SoakAnswer(SoakInput{}); a.Standing != Undecided || !strings.Contains(a.Text, "not constant") {
		t.Errorf("a load that is not constant: %s, %s", a.Standing, a.Text)
	}
}

// The slope of a known leak lies inside its interval, and the time to the limit is what is left of it at that pace.
func TestSoakFigures(t *testing.T) {
	const length = 400 * time.Second
	s := memory(series(length, func(s float64) float64 { return 100*mib + mib*s }, 0.002))
	s.Limit = 1000 * mib
	a := SoakAnswer(SoakInput{Constant: true, Values: steadyValues(length), Resources: []SoakSeries{s}})
	// Of each block the least value counts, which is where it begins: the line is up to half a block behind.
	within := func(unit string, want, off float64) {
		t.Helper()
		for _, f := range a.Figures {
			if f.Subject == s.Subject && f.Unit == unit {
				if f.Value == nil || f.Low == nil || f.High == nil || *f.Low > want*(1+off) || *f.High < want*(1-off) {
					t.Errorf("%s %s: %v [%v, %v], want %v inside", f.Title, f.Unit, f.Value, f.Low, f.High, want)
				}
				return
			}
		}
		t.Errorf("there is no figure in %s", unit)
	}
	within("By/h", 3600*mib, 0)
	within("ratio", 3600./200, 0.05) // what is judged begins after a quarter, at 200 MiB
	within("s", 500, 0.03)
	if len(a.Charts) != 2 || len(a.Charts[0].Lines) != 2 || len(a.Charts[0].Lines[0].X) != 20 {
		t.Errorf("charts %+v, want the blocks with their line, and the response times", a.Charts)
	}
}

func TestSettle(t *testing.T) {
	v := steadyValues(100 * time.Second)
	for i := range v.P50 {
		slow := 1 + 3*math.Exp(-float64(i)/8)
		v.P50[i] *= slow
		v.P95[i] *= slow
	}
	s := Settle(v, true)
	if !s.Found || s.WarmUp < 15*time.Second || s.WarmUp > 50*time.Second || !s.Tested || len(s.Unsteady) > 0 {
		t.Errorf("a warm-up with a time constant of 8 s: %+v", s)
	}
	if s := Settle(steadyValues(100*time.Second), true); s.WarmUp < 10*time.Second || s.WarmUp > 30*time.Second || len(s.Unsteady) > 0 {
		t.Errorf("without one: %+v", s)
	}
	jump := steadyValues(100 * time.Second)
	for i := 60; i < 100; i++ {
		jump.P50[i] *= 1.5
	}
	s = Settle(jump, true)
	if why := s.LatencyUnsteady(); !strings.HasPrefix(why, "p50 rose by 5") && !strings.HasPrefix(why, "p50 rose by 4") || !strings.Contains(why, "at 1m") || len(s.Shifts) != 1 {
		t.Errorf("a jump of 50%% at 1m5s: %q, %+v", why, s.Shifts)
	}
	if s := Settle(steadyValues(15*time.Second), true); s.Found || s.WarmUp != 0 || s.Tested || len(s.Warnings) == 0 {
		t.Errorf("of 15 s: %+v", s)
	}
	if s := Settle(v, false); s.WarmUp != 0 || s.Found {
		t.Errorf("a warm-up that was not to be looked for: %+v", s)
	}
}
