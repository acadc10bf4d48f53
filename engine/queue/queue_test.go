package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/experiment"
	"tidegauge/engine/live"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const planText = `target: {base_url: 'http://${env.HOST ?? "localhost"}:8000'}
classes: {User: {tasks: [{get: /}]}}
tests: {load: {arrivals: 10/s, duration: 10m, max_users: 5}, users: {users: 20, duration: 1m}}
`

func parsePlan(file string, text []byte, getenv Getenv) (*plan.Plan, error) {
	return plan.Parse(file, text, plan.Options{Getenv: getenv})
}

// folder makes a folder with a plan called shop.
func folder(t *testing.T) (string, *Plans) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "shop.yaml", planText)
	p, err := OpenPlans(dir, parsePlan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir, p
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lab pretends to run tests, each for a length of time, and notes when they began.
type lab struct {
	length time.Duration
	mu     sync.Mutex
	began  []time.Time
	labels []map[string]string
}

func (l *lab) run(ctx context.Context, o experiment.Options) (*report.Report, error) {
	l.mu.Lock()
	l.began, l.labels = append(l.began, time.Now()), append(l.labels, o.Plan.Labels)
	n := len(l.began)
	l.mu.Unlock()
	o.Begun(fmt.Sprintf("run-%d", n))
	timer := time.NewTimer(l.length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &report.Report{Verdict: &verdict.Verdict{Outcome: verdict.Pass, Summary: "fine"}}, nil
}

// starts returns when runs began.
func (l *lab) starts() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.began)
}

func mustCron(t *testing.T, fields, zone string) Cron {
	t.Helper()
	c, err := ParseCron(fields, zone)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a queue until stop is called.
func start(t *testing.T, o Options) (q *Queue, stop func()) {
	t.Helper()
	q = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	return q, func() {
		cancel()
		running.Wait()
	}
}

// A day of schedules in two time zones, with a blackout, jitter, and runs that overlap.
func TestDayOfSchedules(t *testing.T) {
	_, plans := folder(t)
	synctest.Test(t, func(t *testing.T) {
		l := &lab{length: 20 * time.Minute}
		begin := time.Now() // 2000-01-01 00:00 UTC
		q, stop := start(t, Options{Run: l.run, Plans: plans, StateFile: filepath.Join(t.TempDir(), "state.json"), Settings: Settings{
			Schedules: []Schedule{
				{Name: "hourly", Plan: "shop", Test: "load", Cron: mustCron(t, "0 * * * *", ""), Labels: map[string]string{"release": "1"}},
				{Name: "berlin", Plan: "shop", Test: "load", Cron: mustCron(t, "30 2 * * *", "Europe/Berlin"), Jitter: time.Minute},
				{Name: "often", Plan: "shop", Test: "users", Cron: mustCron(t, "*/15 12 * * *", "")},
				{Name: "gone", Plan: "nothing", Cron: mustCron(t, "@daily", "")},
			},
			Blackouts: []Blackout{{Cron: mustCron(t, "50 19 * * *", ""), For: 90 * time.Minute}},
		}})
		time.Sleep(24*time.Hour + time.Minute)
		states := map[string]ScheduleState{}
		for _, s := range q.Schedules() {
			states[s.Name] = s
		}
		for name, want := range map[string]map[string]uint64{
			"hourly": {Started: 22, Blacked: 2}, // 20:00 and 21:00
			"berlin": {Started: 1},
			"often":  {Started: 2, Overlap: 2}, // 12:00 waits for hourly's 20 minutes, and so on
			"gone":   {Refused: 1},
		} {
			for what, n := range want {
				if got := states[name].Counts[what]; got != n {
					t.Errorf("%s: %s %d, want %d; all: %v", name, what, got, n, states[name].Counts)
				}
			}
		}
		if states["gone"].Outstanding.IsZero() || !states["berlin"].Outstanding.IsZero() {
			t.Errorf("outstanding: gone %v, berlin %v", states["gone"].Outstanding, states["berlin"].Outstanding)
		}
		found := slices.ContainsFunc(l.starts(), func(at time.Time) bool {
			d := at.Sub(begin.Add(90 * time.Minute)) // 02:30 in Berlin in winter
			return d >= 0 && d <= time.Minute
		})
		if !found {
			t.Errorf("no run at 01:30 UTC among %v", l.starts())
		}
		stop()
		if l.labels[0]["release"] != "1" {
			t.Errorf("labels %v, want those of the schedule", l.labels[0])
		}
	})
}

// What passed while nothing was there is missed, or made up for by one run.
func TestMissedRuns(t *testing.T) {
	_, plans := folder(t)
	for _, catchUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &lab{length: time.Minute}
			o := Options{Run: l.run, Plans: plans, StateFile: filepath.Join(t.TempDir(), "state.json"), Settings: Settings{
				Schedules: []Schedule{{Name: "hourly", Plan: "shop", Test: "load", Cron: mustCron(t, "30 * * * *", ""), CatchUp: catchUp}},
			}}
			_, stop := start(t, o)
			time.Sleep(time.Hour)
			stop()
			time.Sleep(5 * time.Hour) // six o'clock: 1:30 to 5:30 have passed
			q, stop := start(t, o)
			time.Sleep(5 * time.Minute)
			s := q.Schedules()[0]
			want := map[bool]int{false: 1, true: 2}[catchUp]
			if len(l.starts()) != want {
				t.Errorf("catch up %v: %d runs, want %d", catchUp, len(l.starts()), want)
			}
			if catchUp != s.Outstanding.IsZero() {
				t.Errorf("catch up %v: outstanding since %v", catchUp, s.Outstanding)
			}
			if missed := s.Counts[Missed]; missed != map[bool]uint64{false: 5, true: 4}[catchUp] {
				t.Errorf("catch up %v: %d missed", catchUp, missed)
			}
			stop()
		})
	}
}

// Summer time: 02:30 does not come on the day the clock is put forward, and comes once on the day it is put back.
func TestSummerTime(t *testing.T) {
	c := mustCron(t, "30 2 * * *", "Europe/Berlin")
	var got []string
	for at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC); len(got) < 2; {
		at = c.Next(at)
		got = append(got, at.UTC().Format("01-02 15:04"))
	}
	if want := []string{"03-28 01:30", "03-30 00:30"}; !slices.Equal(got, want) {
		t.Errorf("in spring %v, want %v", got, want)
	}
	at := c.Next(time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC))
	next := c.Next(at)
	if at.UTC().Format("01-02") != "10-25" || next.UTC().Format("01-02 15:04") != "10-26 01:30" {
		t.Errorf("in autumn %v and %v", at, next)
	}
}

func TestParseCronRefuses(t *testing.T) {
	for _, tt := range []struct{ fields, zone string }{
		{"", ""}, {"* * * *", ""}, {"TZ=", ""}, {"CRON_TZ=Asia/Tokyo 0 0 * * *", ""}, {"@every 1h", ""}, {"0 0 31 2 *", ""}, {"61 * * * *", ""},
		{"@daily", "Mars/Olympus"}, {"@daily", "Local"}, {"*/0 * * * *", ""}, {"@reboot", ""},
	} {
		if _, err := ParseCron(tt.fields, tt.zone); err == nil {
			t.Errorf("%q in %q was taken", tt.fields, tt.zone)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"@daily", "*/5 1-3 * jan mon", "TZ=", "0 0 29 2 *", "@every 1s"} {
		f.Add(seed, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, fields, zone string) {
		c, err := ParseCron(fields, zone)
		if err != nil {
			return
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next := c.Next(now); !next.After(now) {
			t.Errorf("%q: %v is not after %v", fields, next, now)
		}
	})
}

// Jobs run one after the other; one that waits can be given up, one that runs is cut when the queue ends.
func TestOneAtATime(t *testing.T) {
	_, plans := folder(t)
	synctest.Test(t, func(t *testing.T) {
		l := &lab{length: time.Hour}
		q, stop := start(t, Options{Run: l.run, Plans: plans, EndWithin: time.Second})
		var jobs []Status
		for range 3 {
			s, err := q.Start(Request{Plan: "shop", Test: "load", By: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, s)
		}
		if err := q.Stop(jobs[1].ID, "ben", false); err != nil {
			t.Error(err)
		}
		time.Sleep(90 * time.Minute)
		if began := l.starts(); len(began) != 2 || began[1].Sub(began[0]) != time.Hour {
			t.Errorf("began at %v", began)
		}
		if err := q.Stop(jobs[0].ID, "ben", false); !errors.Is(err, ErrOver) {
			t.Errorf("ending what is over: %v", err)
		}
		stop()
		var got []string
		for _, s := range q.Jobs() {
			got = append(got, string(s.State)+" "+s.Error)
		}
		want := []string{"failed context canceled", "failed given up by ben", "finished "}
		if !slices.Equal(got, want) {
			t.Errorf("jobs %q, want %q", got, want)
		}
		if _, err := q.Start(Request{Plan: "shop", Test: "load"}); !errors.Is(err, ErrEnding) {
			t.Errorf("a request after the end: %v", err)
		}
	})
}

func TestRequestsAreRefused(t *testing.T) {
	dir, plans := folder(t)
	write(t, dir, "bad.yaml", "target: 7\n")
	// A target that is a proxy of the plan's own: what comes to it goes on to the upstream.
	write(t, dir, "behind.yaml", strings.Replace(planText, "classes:", "proxies: {far: {http: 'http://example.com', listen: '127.0.0.1:18000'}}\nclasses:", 1))
	if err := plans.Reload(); err != nil {
		t.Fatal(err)
	}
	q := New(Options{Plans: plans, Settings: Settings{Limits: Limits{Rate: 20, Users: 10, Duration: time.Hour}}})
	for _, tt := range []struct {
		request Request
		want    error
	}{
		{Request{Plan: "shop", Test: "users"}, ErrLimit},
		{Request{Plan: "shop", Test: "load", Parameters: map[string]string{"HOST": "example.com"}}, ErrLimit},
		{Request{Plan: "shop", Test: "load", Overrides: plan.Overrides{RunTime: 2 * time.Hour}}, ErrLimit},
		{Request{Plan: "shop", Test: "load", Overrides: plan.Overrides{Host: "http://10.0.0.1"}}, ErrLimit},
		{Request{Plan: "shop", Test: "laod"}, ErrRequest},
		{Request{Plan: "behind"}, ErrLimit},
		{Request{Plan: "shop", Test: "load", Labels: map[string]string{"run": "x"}}, ErrRequest},
		{Request{Plan: "../shop", Test: "load"}, ErrNoPlan},
		{Request{Plan: "bad"}, ErrBroken},
	} {
		if _, err := q.Start(tt.request); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.request, err, tt.want)
		}
	}
	for range maxWaiting {
		if _, err := q.Start(Request{Plan: "shop", Test: "load"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Start(Request{Plan: "shop", Test: "load"}); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
}

func TestPermit(t *testing.T) {
	for _, tt := range []struct {
		hosts string
		ok    string
		not   string
	}{
		{"", "localhost:80 127.0.0.1:9 [::1]:80 127.1.2.3:1", "example.com:80 10.0.0.1:80 0.0.0.0:80 127.0.0.1.example.com:80"},
		{"shop.example.com", "shop.example.com:443 SHOP.example.com.:80", "localhost:80 example.com:80 x.shop.example.com:80"},
		{"*.example.com:8443", "a.example.com:8443 a.b.example.com:8443", "example.com:8443 a.example.com:443 badexample.com:8443"},
		{"10.1.0.0/16 ::1", "10.1.2.3:80 localhost:80", "10.2.0.1:80 db.internal:80"},
		{"localhost:8000", "127.0.0.1:8000 localhost:8000", "127.0.0.1:8001"},
	} {
		l := Limits{Hosts: strings.Fields(tt.hosts)}
		for _, h := range l.Hosts {
			if err := CheckHost(h); err != nil {
				t.Error(err)
			}
		}
		for a := range strings.FieldsSeq(tt.ok) {
			if err := l.Permit(a); err != nil {
				t.Errorf("%q: %v", tt.hosts, err)
			}
		}
		for a := range strings.FieldsSeq(tt.not) {
			if err := l.Permit(a); !errors.Is(err, ErrLimit) {
				t.Errorf("%q: %s was permitted", tt.hosts, a)
			}
		}
	}
	for _, bad := range []string{"", "http://x", "*", "a b", "x:http", "a/b"} {
		if CheckHost(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A plan cannot open a way to where nothing may be sent, nor one by which others reach this machine.
func TestProxiesStayWithinLimits(t *testing.T) {
	const upstream = "127.0.0.1:6379"
	for _, tt := range []struct {
		proxy plan.Proxy
		hosts []string
		ok    bool
	}{
		{plan.Proxy{Listen: "127.0.0.1:0", Upstream: upstream}, nil, true},
		{plan.Proxy{Listen: "localhost:26379", Upstream: "http://localhost:8001", HTTP: true, Toxiproxy: "http://127.0.0.1:8474"}, nil, true},
		{plan.Proxy{Listen: ":26379", Upstream: upstream}, nil, false},
		{plan.Proxy{Listen: "0.0.0.0:26379", Upstream: upstream}, nil, false},
		{plan.Proxy{Listen: "[::]:26379", Upstream: upstream}, nil, false},
		{plan.Proxy{Listen: "10.0.0.1:26379", Upstream: upstream}, nil, false},
		{plan.Proxy{Listen: "127.0.0.1:0", Upstream: "db.internal:6379"}, nil, false},
		{plan.Proxy{Listen: "127.0.0.1:0", Upstream: "https://notify.example.com", HTTP: true}, nil, false},
		{plan.Proxy{Listen: "127.0.0.1:0", Upstream: upstream, Toxiproxy: "http://10.0.0.1:8474"}, nil, false},
		{plan.Proxy{Listen: "127.0.0.1:0", Upstream: "db.internal:6379"}, []string{"db.internal"}, true},
		{plan.Proxy{Listen: ":26379", Upstream: "db.internal:6379"}, []string{"0.0.0.0:26379", "db.internal"}, true},
		{plan.Proxy{Listen: "10.0.0.1:26379", Upstream: "https://notify.example.com"}, []string{"10.0.0.0/8", "*.example.com:443"}, true},
	} {
		l := Limits{Hosts: tt.hosts}
		if err := l.proxy(&tt.proxy); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrLimit) {
			t.Errorf("%+v with hosts %q: %v", tt.proxy, tt.hosts, err)
		}
	}
}

// A plan that is broken by a change is reported and goes on as it was; one that comes or goes is noticed.
func TestPlansFollowTheFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "shop.yaml", planText)
	told := make(chan *PlanState, 100)
	p, err := OpenPlans(dir, parsePlan, nil, func(s *PlanState) { told <- s })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	await := func(name string, ok func(*PlanState) bool) {
		t.Helper()
		limit := time.After(time.Minute)
		for {
			select {
			case s := <-told:
				if s.Name == name && ok(s) {
					return
				}
			case <-limit:
				t.Fatalf("nothing was told of %s", name)
			}
		}
	}
	await("shop", func(s *PlanState) bool { return s.Err == nil && s.Plan != nil })
	write(t, dir, "shop.yaml", "target: [\n")
	await("shop", func(s *PlanState) bool { return s.Err != nil && s.Plan != nil })
	if one, err := p.Open("shop", map[string]string{"HOST": "there"}); err != nil || one.Target.BaseURL != "http://there:8000" {
		t.Errorf("the last good one: %v, %v", one, err)
	}
	write(t, dir, "other.yml", planText)
	await("other", func(s *PlanState) bool { return s.Plan != nil })
	if err := os.Remove(filepath.Join(dir, "other.yml")); err != nil {
		t.Fatal(err)
	}
	await("other", func(s *PlanState) bool { return s.Plan == nil && s.Err == nil })
	if len(p.List()) != 1 {
		t.Errorf("%d plans, want 1", len(p.List()))
	}
	cancel()
	watching.Wait()
}

// A run is ended for its errors when there are enough requests to say so.
func TestErrorsCeiling(t *testing.T) {
	l := Limits{Errors: 0.5}
	for _, tt := range []struct {
		recent live.Recent
		ends   bool
	}{
		{live.Recent{Requests: 100, Failures: 50}, false}, {live.Recent{Requests: 100, Failures: 51}, true}, {live.Recent{Requests: 19, Failures: 19}, false}, {live.Recent{}, false},
	} {
		if reason := l.fails(&live.Progress{Recent: tt.recent}); (reason != "") != tt.ends {
			t.Errorf("%+v: %q", tt.recent, reason)
		}
	}
	if l.fails(nil) != "" || (&Limits{}).fails(&live.Progress{Recent: live.Recent{Requests: 100, Failures: 100}}) != "" {
		t.Error("a run ends without requests, or without a ceiling")
	}
}

// A run that a schedule expects and that does not begin is a metric, until one does.
func TestOverdueMetric(t *testing.T) {
	_, plans := folder(t)
	synctest.Test(t, func(t *testing.T) {
		l := &lab{length: 90 * time.Minute}
		q, stop := start(t, Options{Run: l.run, Plans: plans, Settings: Settings{Schedules: []Schedule{{Name: "hourly", Plan: "shop", Test: "load", Cron: mustCron(t, "0 * * * *", "")}}}})
		begin := time.Now()
		check := func(after time.Duration, want map[string]float64) {
			t.Helper()
			time.Sleep(time.Until(begin.Add(after)))
			families, err := q.Gather()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, f := range families {
				if name, ok := strings.CutPrefix(f.GetName(), "tidegauge_schedule_"); ok && f.Metric[0].Gauge != nil {
					got[name] = f.Metric[0].Gauge.GetValue()
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("after %v: %v, want %v", after, got, want)
			}
		}
		at := func(d time.Duration) float64 { return float64(begin.Add(d).Unix()) }
		check(30*time.Minute, map[string]float64{"next_time_seconds": at(time.Hour), "overdue_seconds": 0})
		check(61*time.Minute, map[string]float64{"next_time_seconds": at(2 * time.Hour), "last_start_time_seconds": at(time.Hour), "overdue_seconds": 0})
		// At 2:00 the run of 1:00 goes on.
		check(140*time.Minute, map[string]float64{"next_time_seconds": at(3 * time.Hour), "last_start_time_seconds": at(time.Hour), "overdue_seconds": 20 * 60})
		check(181*time.Minute, map[string]float64{"next_time_seconds": at(4 * time.Hour), "last_start_time_seconds": at(3 * time.Hour), "overdue_seconds": 0})
		stop()
	})
}
