package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// phase is a stretch of buckets of 1 s.
type phase struct {
	seconds int
	failing float64 // share
	fast    float64 // share of the failures
	slower  float64 // p95 as a multiple; 0: 1
	load    float64 // multiple; 0: 1
}

// measured makes buckets with 100 requests a second, a p95 of 50 ms with autocorrelated noise, and 0.1% of failures.
func measured(r *rand.Rand, phases ...phase) []Bucket {
	var b []Bucket
	for _, p := range phases {
		noise := autoregression(r, p.seconds, 0.6, 0.04)
		for i := range p.seconds {
			rate := math.Round(100 * max(p.load, 1))
			x := Bucket{Intended: rate, Latency: 0.05 * math.Exp(noise[i]) * max(p.slower, 1)}
			x.Tail, x.InFlight = 2*x.Latency, rate*x.Latency/2
			for range int(rate) {
				if r.Float64() < max(p.failing, 0.001) {
					x.Failed++
				}
			}
			x.FastFailed = math.Round(x.Failed * p.fast)
			b = append(b, x)
		}
	}
	return b
}

func TestRecoveryWithAFalseDawnIsExact(t *testing.T) {
	// The fault lasts from 2:00 to 2:20. The target is back at 2:40, having looked so from 2:25 to 2:30.
	const runs = 500
	r := rand.New(rand.NewPCG(11, 11))
	var exact, detected int
	for range runs {
		got := RecoveryOf(RecoveryOptions{Start: 2 * time.Minute, End: 140 * time.Second}, measured(r,
			phase{seconds: 120}, phase{seconds: 25, failing: 0.6}, phase{seconds: 5}, phase{seconds: 10, failing: 0.6}, phase{seconds: 90}))
		if (got.Recovered.After-20*time.Second).Abs() <= time.Second && !got.Recovered.Censored {
			exact++
		}
		if got.Detected == (Elapsed{}) && got.Affected {
			detected++
		}
	}
	t.Logf("of %d runs with a false dawn %d are exact to one bucket, %d detected at once", runs, exact, detected)
	if exact < runs*99/100 || detected < runs*99/100 {
		t.Errorf("%d exact and %d detected of %d", exact, detected, runs)
	}
}

func TestRecoveryFigures(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	o := RecoveryOptions{Start: 2 * time.Minute, End: 140 * time.Second}
	before := phase{seconds: 120}
	for _, c := range []struct {
		name      string
		phases    []phase
		affected  bool
		detected  Elapsed
		recovered Elapsed
		outage    float64 // seconds of a full outage, to 1.5
		stuck     bool
	}{
		{"a cut", []phase{before, {seconds: 20, failing: 1, fast: 1}, {seconds: 60}}, true, Elapsed{}, Elapsed{}, 20, false},
		{"half fails, back after 10 s", []phase{before, {seconds: 30, failing: 0.5}, {seconds: 60}}, true, Elapsed{}, Elapsed{After: 10 * time.Second}, 15, false},
		{"slow, from 5 s on", []phase{before, {seconds: 5}, {seconds: 25, slower: 4}, {seconds: 60}}, true, Elapsed{After: 5 * time.Second}, Elapsed{After: 10 * time.Second}, 0, false},
		{"nothing happens", []phase{before, {seconds: 80}}, false, Elapsed{After: 80 * time.Second, Censored: true}, Elapsed{}, 0, false},
		{"not watched long enough", []phase{before, {seconds: 40, failing: 1}, {seconds: 20}}, true, Elapsed{}, Elapsed{After: 20 * time.Second, Censored: true}, 40, false},
		{"never back, at the same load", []phase{before, {seconds: 200, failing: 0.4}}, true, Elapsed{}, Elapsed{After: 180 * time.Second, Censored: true}, 80, true},
	} {
		got := RecoveryOf(o, measured(r, c.phases...))
		if !got.Known || got.Affected != c.affected || got.Detected != c.detected || got.Recovered != c.recovered || got.Stuck != c.stuck {
			t.Errorf("%s: affected %v, detected %v, recovered %v, stuck %v, want %v, %v, %v, %v", c.name,
				got.Affected, got.Detected, got.Recovered, got.Stuck, c.affected, c.detected, c.recovered, c.stuck)
		}
		if math.Abs(got.OutageSeconds-c.outage) > 1.5 || math.Abs(got.Availability-(1-got.OutageSeconds/got.Intended*100)) > 1e-9 {
			t.Errorf("%s: outage of %.1f s, availability %v, want %v s", c.name, got.OutageSeconds, got.Availability, c.outage)
		}
	}
}

func TestRecoverySaysWhatIsMissing(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	whole := measured(r, phase{seconds: 200})
	down := measured(r, phase{seconds: 200, failing: 1})
	for i := range down {
		down[i].Latency, down[i].InFlight = math.NaN(), math.NaN()
	}
	few := slices.Clone(whole)
	for i := range few {
		few[i].Intended, few[i].Failed = 5, 0
	}
	for _, c := range []struct {
		name    string
		o       RecoveryOptions
		buckets []Bucket
		known   bool
		warning string
	}{
		{"nothing", RecoveryOptions{}, nil, false, "nothing was measured"},
		{"no baseline", RecoveryOptions{Start: 5 * time.Second, End: 6 * time.Second}, whole, false, "needs 10 intervals with requests before the event, has 5"},
		{"a short baseline", RecoveryOptions{Start: 20 * time.Second, End: 30 * time.Second}, whole, true, "the baseline is 20s long"},
		{"nothing after", RecoveryOptions{Start: 120 * time.Second, End: 200 * time.Second}, whole, false, "nothing was measured after the end of the fault at 3m20s"},
		{"backwards", RecoveryOptions{Start: 2, End: 1}, whole, false, "ends at 1ns and starts at 2ns"},
		{"down from the start", RecoveryOptions{Start: 120 * time.Second, End: 130 * time.Second}, down, true, "100% of the requests failed before the event"},
		{"few requests", RecoveryOptions{Start: 120 * time.Second, End: 130 * time.Second}, few, true, "intervals hold 5 requests, 20 are needed: use intervals of 4s"},
		{"no requests", RecoveryOptions{Start: 120 * time.Second, End: 130 * time.Second}, make([]Bucket, 200), false, "has 0"},
	} {
		got := RecoveryOf(c.o, c.buckets)
		if got.Known != c.known || !strings.Contains(strings.Join(got.Warnings, "; "), c.warning) {
			t.Errorf("%s: known %v, warnings %q, want %v and %q", c.name, got.Known, got.Warnings, c.known, c.warning)
		}
	}
}

func TestInferBreaker(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	open := func(seconds int) phase { return phase{seconds: seconds, failing: 1, fast: 1} }
	slow := func(seconds int) phase { return phase{seconds: seconds, failing: 1} }
	probed := func(b []Bucket, at ...int) []Bucket {
		for _, i := range at {
			b[i].FastFailed-- // one request waited for its timeout
		}
		return b
	}
	for _, c := range []struct {
		name    string
		buckets []Bucket
		trips   []Trip
		timer   time.Duration
	}{
		{"opened, probed, closed", probed(measured(r, phase{seconds: 60}, slow(2), open(38), phase{seconds: 60}), 72, 82, 92),
			[]Trip{{At: 62 * time.Second, Probes: []Probe{{72 * time.Second, true}, {82 * time.Second, true}, {92 * time.Second, true}}, Reset: 100 * time.Second, Closed: true}}, 10 * time.Second},
		{"twice", measured(r, phase{seconds: 60}, slow(2), open(8), phase{seconds: 10}, slow(3), open(7), phase{seconds: 60}),
			[]Trip{{At: 62 * time.Second, Reset: 70 * time.Second, Closed: true}, {At: 83 * time.Second, Reset: 90 * time.Second, Closed: true}}, 0},
		{"open to the end", measured(r, phase{seconds: 60}, slow(2), open(20)), []Trip{{At: 62 * time.Second}}, 0},
		{"no breaker: a closed port", measured(r, phase{seconds: 60}, open(30), phase{seconds: 60}), nil, 0},
		{"no breaker: it hangs", measured(r, phase{seconds: 60}, slow(30), phase{seconds: 60}), nil, 0},
		{"no breaker: a third fails fast", measured(r, phase{seconds: 60}, phase{seconds: 30, failing: 0.3, fast: 1}, phase{seconds: 60}), nil, 0},
		{"nothing", nil, nil, 0},
	} {
		if c.trips != nil {
			// What fails in the healthy part is slow: it would count as a probe of the last seconds.
			for i := range c.buckets {
				if c.buckets[i].Failed < 50 {
					c.buckets[i].Failed, c.buckets[i].FastFailed = 0, 0
				}
			}
		} else {
			for i := range c.buckets {
				if strings.Contains(c.name, "port") || strings.Contains(c.name, "third") {
					c.buckets[i].FastFailed = c.buckets[i].Failed
				}
			}
		}
		got := InferBreaker(time.Second, c.buckets)
		for i := range got.Trips {
			got.Trips[i].last = 0
		}
		if fmt.Sprint(got.Trips) != fmt.Sprint(c.trips) || got.Timer != c.timer {
			t.Errorf("%s: %+v, want %+v and a timer of %v", c.name, got, c.trips, c.timer)
		}
	}
}

func TestHowFailing(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		f       Failures
		timeout time.Duration
		want    Failing
		warned  bool
	}{
		{Failures{100, 2 * ms, 9 * ms}, time.Second, FailsFast, false},
		{Failures{100, 950 * ms, time.Second}, time.Second, Hangs, false},
		{Failures{100, 300 * ms, 900 * ms}, time.Second, FailsMixed, false},
		{Failures{100, 300 * ms, 900 * ms}, 0, FailsMixed, true},
		{Failures{3, 2 * ms, 9 * ms}, time.Second, FailsFast, true},
		{Failures{}, time.Second, FailsUnknown, true},
		{Failures{100, 9 * ms, 2 * ms}, time.Second, FailsUnknown, true},
	} {
		if got, warnings := HowFailing(c.f, 20*ms, c.timeout); got != c.want || (len(warnings) > 0) != c.warned {
			t.Errorf("%+v: %s %q, want %s", c.f, got, warnings, c.want)
		}
	}
	if got := Crowding(500, 100, 0.05); got != 100 {
		t.Errorf("500 under way instead of 5: %v, want 100", got)
	}
	if got := Crowding(5, 0, 0.05); !math.IsNaN(got) {
		t.Errorf("no rate: %v, want nothing", got)
	}
}

func TestBlast(t *testing.T) {
	healthy := func(name string) Slice { return Slice{name, 10000, 10, 10000, 12} }
	got := Blast([]Slice{healthy("pay"), healthy("get"), {"refund", 100, 0, 100, 40}, {"rare", 3, 0, 3, 3}})
	if !slices.Equal(got.Affected, []string{"refund"}) || !got.Hidden || got.Total || math.Abs(got.Radius-1.0/3) > 1e-12 || len(got.Warnings) != 1 {
		t.Errorf("one small slice fails: %+v", got)
	}
	if got := Blast([]Slice{healthy("pay"), {"get", 10000, 10, 10000, 4000}}); got.Hidden || !got.Total {
		t.Errorf("half of everything fails: %+v", got)
	}
	got = Blast([]Slice{{"pay", 1000, 0, 400, 350}, {"get", 1000, 0, 50, 0}, healthy("list")})
	if !slices.Equal(got.Affected, []string{"pay"}) || !slices.Equal(got.Unsent, []string{"get"}) || math.Abs(got.Radius-1.0/2) > 1e-12 {
		t.Errorf("what follows a failure is not sent: %+v", got)
	}
	if got := Blast([]Slice{{"pay", 1000, 0, 400, 350}, {"get", 1000, 0, 50, 40}}); len(got.Unsent) > 0 || got.Radius != 1 {
		t.Errorf("what is hardly sent fails too: %+v", got)
	}
	if got := Blast(nil); !math.IsNaN(got.Radius) || len(got.Warnings) == 0 {
		t.Errorf("nothing: %+v", got)
	}
}

func TestSpike(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 15))
	o := RecoveryOptions{Start: 120 * time.Second, End: 150 * time.Second}
	b := measured(r, phase{seconds: 120}, phase{seconds: 30, load: 5, slower: 6}, phase{seconds: 8, slower: 3}, phase{seconds: 60})
	b[130].Unsent = 40
	b[140].Latency = 2
	s := SpikeOf(o, b)
	if s.Recovered != (Elapsed{After: 8 * time.Second}) || s.ToPeak != 20*time.Second || s.Dropped != 40 || !s.Returned || math.Abs(s.Hysteresis-1) > 0.05 {
		t.Errorf("recovered %v, peak after %v, dropped %v, hysteresis %v", s.Recovered, s.ToPeak, s.Dropped, s.Hysteresis)
	}
	if s.Queued < 60 || s.PeakTail < 0.5 {
		t.Errorf("queued %v, tail %v", s.Queued, s.PeakTail)
	}
	s = SpikeOf(o, measured(r, phase{seconds: 120}, phase{seconds: 30, load: 5, slower: 6}, phase{seconds: 180, slower: 1.5}))
	if !s.Stuck || s.Returned || math.Abs(s.Hysteresis-1.5) > 0.1 {
		t.Errorf("half as slow again for good: stuck %v, returned %v, hysteresis %v", s.Stuck, s.Returned, s.Hysteresis)
	}
}

func TestScaling(t *testing.T) {
	nan := math.NaN()
	got := ScalingOf(5*time.Second, 12*time.Second, []float64{2, 2, 2, 2, nan, 3, 5, 5, 2})
	if !got.Known || !got.Scaled || got.First != 13*time.Second || got.Most != 18*time.Second || got.Before != 2 || got.Peak != 5 {
		t.Errorf("%+v, want 2 to 5, first after 13 s, all after 18 s", got)
	}
	if got := ScalingOf(0, time.Second, []float64{2, 2, 2}); !got.Known || got.Scaled {
		t.Errorf("no scaling: %+v", got)
	}
	if got := ScalingOf(0, time.Second, []float64{nan, 2}); !got.Known || got.Scaled {
		if len(got.Warnings) == 0 {
			t.Errorf("nothing before: %+v", got)
		}
	}
}

// A machine that others are busy on slows down the generator and the target alike: latency beyond the band is nobody's fault
// where the generator was late, failures are.
func TestRecoveryWithALateGenerator(t *testing.T) {
	o := RecoveryOptions{Start: 2 * time.Minute, End: 140 * time.Second}
	for _, c := range []struct {
		name      string
		slower    float64
		failing   float64
		late      float64
		recovered Elapsed
		blind     int
	}{
		{"slow, the generator on time", 3, 0, 0.001, Elapsed{After: 25 * time.Second}, 0},
		{"slow, the generator late", 3, 0, 0.05, Elapsed{}, 25},
		{"failing, the generator late", 1, 0.5, 0.05, Elapsed{After: 25 * time.Second}, 0},
		{"slower than that explains", 20, 0, 0.05, Elapsed{After: 25 * time.Second}, 0},
	} {
		r := rand.New(rand.NewPCG(13, 13))
		b := measured(r, phase{seconds: 120}, phase{seconds: 20, failing: 1, fast: 1}, phase{seconds: 25, slower: c.slower, failing: c.failing}, phase{seconds: 60})
		for i := range b {
			b[i].Late = 0.0005
			if i >= 140 && i < 165 {
				b[i].Late = c.late
			}
		}
		got := RecoveryOf(o, b)
		if got.Recovered != c.recovered || got.Blind != c.blind {
			t.Errorf("%s: recovered %v, %d of %d not judged, want %v, %d", c.name, got.Recovered, got.Blind, got.Held, c.recovered, c.blind)
		}
		if warned := strings.Contains(strings.Join(got.Warnings, " "), "the generator itself was late"); warned != (c.blind > 0) {
			t.Errorf("%s: warnings %q", c.name, got.Warnings)
		}
	}
}

// Whether a fault showed is not known where the generator was late while it lasted, and is where latency was far beyond that.
func TestFaultWithALateGenerator(t *testing.T) {
	for _, c := range []struct {
		slower   float64
		affected bool
		hidden   int
	}{{1, false, 0}, {3, false, 20}, {20, true, 0}} {
		r := rand.New(rand.NewPCG(14, 14))
		b := measured(r, phase{seconds: 120}, phase{seconds: 20, slower: c.slower}, phase{seconds: 60})
		for i := range b {
			b[i].Late = 0.0005
			if i >= 120 && i < 140 {
				b[i].Late = 0.05
			}
		}
		got := RecoveryOf(RecoveryOptions{Start: 2 * time.Minute, End: 140 * time.Second}, b)
		if got.Affected != c.affected || got.Hidden != c.hidden || got.Recovered != (Elapsed{}) {
			t.Errorf("%v times slower: affected %v, %d not judged, back %v; want %v, %d, 0s", c.slower, got.Affected, got.Hidden, got.Recovered, c.affected, c.hidden)
		}
	}
}

// After a baseline of half a minute and on a noisy machine, a target that is back is found to be.
func TestRecoveryAfterAShortBaseline(t *testing.T) {
	const runs = 300
	r := rand.New(rand.NewPCG(14, 14))
	exact := percentOf(runs, func(int) bool {
		b := measured(r, phase{seconds: 30}, phase{seconds: 8, failing: 1, fast: 1}, phase{seconds: 33})
		slow := autoregression(r, len(b), 0.95, 0.08) // what does not show in half a minute
		for i := range b {
			b[i].Latency *= math.Exp(slow[i])
		}
		got := RecoveryOf(RecoveryOptions{Start: 30 * time.Second, End: 38 * time.Second}, b)
		return !got.Recovered.Censored && got.Recovered.After <= time.Second
	})
	t.Logf("%.1f%% exact to one bucket", exact)
	if exact < 95 {
		t.Errorf("%.1f%% of the recoveries are exact to one bucket", exact)
	}
}

func FuzzRecoveryOf(f *testing.F) {
	f.Add([]byte(strings.Repeat("any requests?", 60)), int64(20), int64(25))
	f.Fuzz(func(t *testing.T, raw []byte, start, end int64) {
		x := floats(raw)
		var b []Bucket
		for i := 0; i+8 <= len(x); i++ {
			b = append(b, Bucket{x[i], x[i+1], x[i+2], x[i+3], x[i+4], x[i+5], x[i+6], x[i+7], x[(i+8)%len(x)]})
		}
		o := RecoveryOptions{Start: time.Duration(start) * time.Second, End: time.Duration(end) * time.Second}
		s := SpikeOf(o, b)
		if !s.Known && len(s.Warnings) == 0 {
			t.Fatal("unknown without a warning")
		}
		if s.Availability < -1e-9 || s.Availability > 1 || s.Recovered.After < 0 || s.Detected.After < 0 {
			t.Fatalf("%+v", s)
		}
		InferBreaker(time.Second, b)
		ScalingOf(time.Second, o.Start, x)
	})
}

func ExampleRecoveryOf() {
	// One bucket a second: cut from 1:00 to 1:10, back at 1:13.
	var buckets []Bucket
	for i := range 120 {
		b := Bucket{Intended: 100, Latency: 0.05, InFlight: 5}
		if i >= 60 && i < 73 {
			b.Failed, b.FastFailed, b.Latency = 100, 100, math.NaN()
		}
		buckets = append(buckets, b)
	}
	r := RecoveryOf(RecoveryOptions{Start: time.Minute, End: 70 * time.Second}, buckets)
	fmt.Printf("detected after %v, back after %v, %.0f requests lost\n", r.Detected, r.Recovered, r.Failed)
	// Output: detected after 0s, back after 3s, 1300 requests lost
}
