package user_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/trace"
	"tidegauge/engine/user"
)

// readPlan reads a plan whose target is never spoken to, unless the text gives it one.
func readPlan(t testing.TB, text string) *plan.Plan {
	t.Helper()
	if !strings.Contains(text, "target:") {
		text += "\ntarget: {base_url: \"http://shop.test/api/\", timeout: 2s}\n"
	}
	if !strings.Contains(text, "tests:") {
		text += "\ntests: {load: {users: 1, duration: 1m}}\n"
	}
	p, err := plan.Parse("testdata/plan.yaml", []byte(text), plan.Options{})
	if err != nil {
		t.Fatalf("reading the plan:\n%v", err)
	}
	return p
}

// client is a protocol.Client made of a function.
type client func(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome

func (c client) Do(ctx context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
	resp.Sent, resp.Status, resp.Detail = time.Now(), 0, ""
	resp.Header, resp.Body, resp.Timings = nil, nil, protocol.Timings{}
	outcome := c(ctx, req, resp)
	resp.Finished = time.Now()
	return outcome
}

func (c client) Close() error { return nil }

// answer returns a client that always gets the same answer.
func answer(status int, body string) client {
	return func(_ context.Context, _ *protocol.Request, resp *protocol.Response) protocol.Outcome {
		resp.Status, resp.Body = status, []byte(body)
		return protocol.OK
	}
}

// rig is a mix with a recorder.
type rig struct {
	t        testing.TB
	mix      *user.Mix
	recorder *measure.Recorder
}

func newRig(t testing.TB, text string, c protocol.Client) *rig {
	t.Helper()
	return newRigWith(t, text, c, nil)
}

func newRigWith(t testing.TB, text string, c protocol.Client, tracer *trace.Tracer) *rig {
	t.Helper()
	p := readPlan(t, text)
	test, err := p.Test("")
	if err != nil {
		t.Fatal(err)
	}
	o := user.Options{Seed: 7, Tracer: tracer}
	if c != nil {
		o.Dial = func() (protocol.Client, error) { return c, nil }
	}
	m, err := user.NewMix(p, test, o)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, m, measure.New(m.Names(), measure.Options{})}
}

func (r *rig) session(class, number int) *user.Session {
	r.t.Helper()
	s, err := r.mix.NewSession(class, number, r.recorder)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return s
}

// iterate runs n iterations of a new user of the first class, one after the other, and hands on what was recorded.
func (r *rig) iterate(n int, look func(*measure.Snapshot)) {
	r.t.Helper()
	s := r.session(0, 1)
	for range n {
		now := time.Now()
		s.Iterate(context.Background(), now, now)
	}
	r.look(look)
}

// look hands on everything that was recorded.
func (r *rig) look(look func(*measure.Snapshot)) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.recorder.Run(ctx, time.Now(), last(look)); err != nil {
		r.t.Fatal(err)
	}
}

// last is a sink that only wants the final snapshot.
type last func(*measure.Snapshot)

func (f last) Consume(_ context.Context, s *measure.Snapshot) error {
	if s.Final {
		f(s)
	}
	return nil
}

// outcomes returns how many requests ended how, by the names of outcomes.
func outcomes(r *measure.RequestTotals) map[string]uint64 {
	m := map[string]uint64{}
	for o := range protocol.Outcome(protocol.Outcomes) {
		if n := r.Outcomes[o].ResponseTime.Count(); n > 0 {
			m[o.String()] = n
		}
	}
	return m
}
