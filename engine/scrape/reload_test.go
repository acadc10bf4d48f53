package scrape

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// A reload leaves alone what stays, targets in this process among it, marks stale at once what goes, and begins what comes.
func TestReload(t *testing.T) {
	kept, gone, begun, to := newServer(t, false), newServer(t, false), newServer(t, false), openStore(t)
	job := func(name string, s *server) string {
		return fmt.Sprintf("- {job_name: %s, scrape_interval: 50ms, static_configs: [{targets: [%q]}]}\n", name, s.address())
	}
	own := make(chan struct{}, 10_000)
	local := Local{Job: "node", Instance: "here", Interval: 50 * time.Millisecond, Err: func() error { return nil },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintln(w, "node_load1 1")
			own <- struct{}{}
		})}
	s, err := New(Options{Jobs: []byte(job("kept", kept) + job("gone", gone)), Locals: []Local{local}, Labels: map[string]string{"env": "a"}, Store: to})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	reload := func(jobs string) {
		t.Helper()
		if err := s.Reload(t.Context(), []byte(jobs), ""); err != nil {
			t.Fatal(err)
		}
	}
	kept.scraped(t, 2)
	gone.scraped(t, 2)

	reload(job("kept", kept) + job("begun", begun))
	if now := query(t, to, `{job="gone"}`, time.Now().Add(time.Second), "__name__"); len(now) != 0 {
		t.Errorf("of the job that is gone there are still %v", now)
	}
	last := query(t, to, `max_over_time(orders_total{job="gone"}[1m])`, time.Now(), "env")
	if n := gone.scrapes.Load(); last["a"] != float64(n) {
		t.Errorf("of the job that is gone the last value is %v, want that of the last scrape, %d", last, n)
	}
	begun.scraped(t, 2)
	kept.scraped(t, 2)
	for len(own) > 0 {
		<-own
	}
	for range 2 {
		select {
		case <-own:
		case <-time.After(time.Minute):
			t.Fatal("the target in this process is not scraped any more")
		}
	}

	before := gone.scrapes.Load()
	if err := s.Reload(t.Context(), []byte(job("kept", kept)+job("kept", begun)), ""); err == nil || !strings.Contains(err.Error(), `two jobs with job_name "kept"`) {
		t.Errorf("Reload with two jobs of one name: %v", err)
	}
	begun.scraped(t, 2) // as before
	if n := gone.scrapes.Load(); n != before {
		t.Errorf("the job that is gone was scraped %d times more", n-before)
	}

	for len(gone.heard) > 0 {
		<-gone.heard
	}
	reload(job("kept", kept) + job("gone", gone))
	gone.scraped(t, 3) // the third is asked for when the first is written
	if up := query(t, to, `up`, time.Now(), "job", "env"); up["gone a"] != 1 || up["kept a"] != 1 || up["node a"] != 1 || len(up) != 3 {
		t.Errorf("after the job came back up is %v", up)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if left := query(t, to, `{env="a"}`, time.Now().Add(time.Second), "__name__"); len(left) != 0 {
		t.Errorf("after the end there are still %v", left)
	}
	for _, one := range s.Targets() {
		got := query(t, to, fmt.Sprintf(`count_over_time(up{job=%q}[1m])`, one.Job), time.Now())
		if got[""] != float64(one.Scrapes) || one.Up == 0 { // a busy machine may be too late for some
			t.Errorf("up has %v samples, want those of %+v", got, one)
		}
	}
	if n := len(s.Targets()); n != 4 {
		t.Errorf("%d targets: %+v", n, s.Targets())
	}
}

// Who reloads does not wait longer than asked for a scraper that does not run.
func TestReloadNotRunning(t *testing.T) {
	s, err := New(Options{Store: openStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Reload(ctx, nil, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Reload: %v", err)
	}
}

// Targets that come and go for months do not add up: those that went first are forgotten, none that is still there.
func TestTallyIsBounded(t *testing.T) {
	tally := newTally(openStore(t), &locals{}, nil)
	at := time.Now()
	scraped := func(i int, stale bool) {
		t.Helper()
		public := labels.FromStrings("instance", fmt.Sprint(i), "job", "shop")
		target := scrape.NewTarget(public, &config.DefaultScrapeConfig, nil, nil)
		app := tally.AppenderV2(scrape.ContextWithTarget(t.Context(), target))
		up := labels.NewBuilder(public).Set("__name__", "up").Labels()
		v := 1.0
		if stale {
			v = math.Float64frombits(value.StaleNaN)
		}
		if _, err := app.Append(0, up, 0, at.UnixMilli(), v, nil, nil, storage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Millisecond)
	}
	const stay = 10
	for i := range stay {
		scraped(i, false)
	}
	for i := stay; i < mostTargets+500; i++ {
		scraped(i, false)
		scraped(i, true)
	}
	all := tally.targets(nil, nil)
	if len(all) != mostTargets {
		t.Errorf("%d targets are remembered, want %d", len(all), mostTargets)
	}
	there := map[string]bool{}
	for _, one := range all {
		there[one.Instance] = true
		if one.Scrapes != 1 || one.Up != 1 {
			t.Errorf("%+v", one)
		}
	}
	for i := range mostTargets + 500 {
		if want := i < stay || i >= stay+500; there[fmt.Sprint(i)] != want {
			t.Errorf("target %d is remembered: %t, want %t", i, !want, want)
		}
	}
}
