package announce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
	"tidegauge/exporters/internal/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver answers each attempt with the next of its statuses, the last one again and again, and keeps what it was sent.
type receiver struct {
	*httptest.Server

	statuses []int
	tries    atomic.Int64
	body     atomic.Value
	header   atomic.Value
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n := int(r.tries.Add(1))
		text, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.body.Store(text)
		r.header.Store(q.Header.Clone())
		if status := r.statuses[min(n, len(r.statuses))-1]; status == http.StatusFound {
			http.Redirect(w, q, "/elsewhere", status)
		} else {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "said \x1b[31m<so>")
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func TestGolden(t *testing.T) {
	before := &history.Record{Outcome: verdict.Pass}
	for name, form := range map[string]Form{"fail.json": JSON, "fail.slack.json": Slack} {
		h := Hook{Form: form, Link: "https://load.example.com/runs/{run}"}
		raw, err := h.body(Of(sample.Run(plan.Recovery, ""), before))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := json.Indent(&got, append(raw, '\n'), "", "  "); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: run with -update if this is meant; -want +got\n%s", name, diff)
		}
	}
}

func TestASignedAnnouncementArrivesOnce(t *testing.T) {
	r := newReceiver(t, http.StatusNoContent)
	if errs := Send(t.Context(), []Hook{{URL: r.URL + "/hook?token=t", Secret: "s3cret"}}, Of(sample.Run(plan.Load, ""), nil)); len(errs) > 0 {
		t.Fatal(errs)
	}
	body, _ := r.body.Load().([]byte)
	header, _ := r.header.Load().(http.Header)
	if got, want := header.Get(SignatureHeader), Sign("s3cret", body); got != want || r.tries.Load() != 1 || header.Get("Content-Type") != "application/json" {
		t.Errorf("signature %s, want %s; %d attempts, %v", got, want, r.tries.Load(), header)
	}
	var a Announcement
	if err := json.Unmarshal(body, &a); err != nil || a.Schema != Schema || a.Outcome != verdict.Fail || a.Good || len(a.Objectives) != 4 {
		t.Errorf("%v, %+v", err, a)
	}
}

// TestSign has the known answer of RFC 4231, test case 2.
func TestSign(t *testing.T) {
	if got, want := Sign("Jefe", []byte("what do ya want for nothing?")), "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		statuses []int
		tries    int64
		err      string
	}{
		"taken at the second attempt": {[]int{503, 204}, 2, ""},
		"not wanted":                  {[]int{404}, 1, "given up after 1 attempt: it answered 404 Not Found: said [31m<so>"},
		"somewhere else":              {[]int{302}, 1, "it answered 302 Found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, test.statuses...)
			errs := Send(t.Context(), []Hook{{URL: r.URL + "/s3cret"}}, Of(sample.Run(plan.Load, ""), nil))
			if r.tries.Load() != test.tries {
				t.Errorf("%d attempts, want %d", r.tries.Load(), test.tries)
			}
			switch {
			case test.err == "" && len(errs) > 0, test.err != "" && len(errs) != 1:
				t.Fatal(errs)
			case test.err != "" && (!strings.Contains(errs[0].Error(), test.err) || strings.Contains(errs[0].Error(), "s3cret") || !strings.Contains(errs[0].Error(), strings.TrimPrefix(r.URL, "http://"))):
				t.Errorf("%v, want %s, and the host alone", errs[0], test.err)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNoReceiverDelaysTheEndOfARunForLong(t *testing.T) {
	answer := func(status int, after string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: "x", Header: http.Header{"Retry-After": {after}}, Body: http.NoBody}, nil
	}
	for name, test := range map[string]struct {
		do    roundTripper
		least time.Duration
		most  time.Duration
		tries int
	}{
		"hangs":            {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, Within, Within, 3},
		"refuses":          {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, 3500 * time.Millisecond, 3500 * time.Millisecond, 4},
		"is busy":          {func(*http.Request) (*http.Response, error) { return answer(429, "2") }, 6 * time.Second, 6 * time.Second, 4},
		"is busy for long": {func(*http.Request) (*http.Response, error) { return answer(503, "99999999999") }, 3500 * time.Millisecond, Within, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { tries++; return test.do(r) })}
				began := time.Now()
				errs := sendAll(t.Context(), client, []Hook{{URL: "http://hooks.example.com/s3cret"}}, Of(sample.Run(plan.Load, ""), nil))
				took := time.Since(began)
				if took < test.least || took > test.most || test.tries > 0 && tries != test.tries {
					t.Errorf("%d attempts in %v, want %d in %v to %v", tries, took, test.tries, test.least, test.most)
				}
				if len(errs) != 1 || strings.Contains(errs[0].Error(), "s3cret") {
					t.Errorf("%v", errs)
				}
			})
		})
	}
}

func TestOneHookKeepsNoOtherFromBeingTold(t *testing.T) {
	good := newReceiver(t, http.StatusOK)
	bad := newReceiver(t, http.StatusForbidden)
	errs := Send(t.Context(), []Hook{{URL: bad.URL}, {URL: good.URL, Form: Slack}, {URL: "http://[::1"}}, Of(sample.Run(plan.Load, ""), nil))
	if len(errs) != 2 || good.tries.Load() != 1 {
		t.Errorf("%v; %d attempts", errs, good.tries.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if errs := Send(ctx, []Hook{{URL: good.URL}}, Of(sample.Run(plan.Load, ""), nil)); len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("after the end: %v", errs)
	}
}

func TestWhoWantsToKnow(t *testing.T) {
	of := func(o verdict.Outcome, worse bool, before verdict.Outcome) *Announcement {
		r := sample.Run(plan.Load, "")
		r.Verdict.Outcome, r.Comparison = o, nil
		if worse {
			r.Comparison = sample.Run(plan.Load, "").Comparison
		}
		if before == "" {
			return Of(r, nil)
		}
		return Of(r, &history.Record{Outcome: before})
	}
	for _, test := range []struct {
		a               *Announcement
		failed, changed bool
	}{
		{of(verdict.Pass, false, ""), false, false},
		{of(verdict.Pass, false, verdict.Pass), false, false},
		{of(verdict.Pass, false, verdict.Fail), false, true},
		{of(verdict.Pass, true, verdict.Pass), true, true},
		{of(verdict.Fail, false, ""), true, true},
		{of(verdict.Fail, false, verdict.Pass), true, true},
		{of(verdict.Fail, false, verdict.Inconclusive), true, false},
		{of(verdict.Inconclusive, false, verdict.Fail), true, false},
	} {
		if got := []bool{(&Hook{}).wants(test.a), (&Hook{On: Failed}).wants(test.a), (&Hook{On: Changed}).wants(test.a)}; !got[0] || got[1] != test.failed || got[2] != test.changed {
			t.Errorf("%s after %q, good %v: %v, want true %v %v", test.a.Outcome, test.a.Before, test.a.Good, got, test.failed, test.changed)
		}
	}
	suspect := sample.Run(plan.Load, "")
	suspect.Verdict.Outcome, suspect.Comparison.Verdict = verdict.Pass, stat.Suspect
	if !Of(suspect, nil).Good {
		t.Error("a run that is only suspect is not good")
	}
}

func TestBefore(t *testing.T) {
	h, err := history.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	finish := func(test string, start time.Time, o verdict.Outcome, rerunOf string) *report.Report {
		r := sample.Run(plan.Load, "")
		r.Run.Test, r.Start, r.Verdict.Outcome = test, start, o
		run, err := h.Begin(r.Run, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Run.ID = run.ID()
		run.RerunOf(rerunOf)
		if err := run.Finish(r, nil, ""); err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := finish("load", sample.Start(), verdict.Pass, "")
	finish("other", sample.Start().Add(time.Minute), verdict.Fail, "")
	finish("load", sample.Start().Add(2*time.Minute), verdict.Fail, first.Run.ID)
	last := finish("load", sample.Start().Add(3*time.Minute), verdict.Fail, "")
	got, err := Before(h, last)
	if err != nil || got == nil || got.ID != first.Run.ID {
		t.Errorf("%v, %v; want %s", got, err, first.Run.ID)
	}
	if got, err := Before(h, first); err != nil || got != nil {
		t.Errorf("%v, %v before the first", got, err)
	}
}

func FuzzSlack(f *testing.F) {
	f.Add(sample.Hostile)
	f.Add(sample.Long())
	f.Fuzz(func(t *testing.T, name string) {
		for _, form := range []Form{JSON, Slack} {
			h := Hook{Form: form}
			body, err := h.body(Of(sample.Run(plan.Load, name), nil))
			if err != nil || !json.Valid(body) {
				t.Fatalf("%v in %q", err, body)
			}
			if form == JSON {
				continue
			}
			var m message
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{m.Text, m.Attachments[0].Text, m.Attachments[0].Title} {
				if strings.ContainsAny(text, "<>\n") || len([]rune(text)) > 5000 {
					t.Errorf("%q", text)
				}
			}
		}
	})
}
