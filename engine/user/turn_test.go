package user_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

// An iteration goes to one target as a whole, by when it was due; the names are the same.
func TestTwoTargetsTakeTurns(t *testing.T) {
	p := readPlan(t, `
name: shop
classes: {Buyer: {tasks: [{steps: [{get: /cart, name: cart}, {post: "/cart/${randInt(7, 7)}", name: buy, check: [status == 200]}]}]}}`)
	chosen, err := p.Override("", plan.Overrides{Against: "http://other.test/v2"})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var asked []string
	c := client(func(_ context.Context, req *protocol.Request, resp *protocol.Response) protocol.Outcome {
		asked = append(asked, req.URL)
		resp.Status = 200
		return protocol.OK
	})
	m, err := user.NewMix(p, chosen, user.Options{
		Seed: 1, Dial: func() (protocol.Client, error) { return c, nil },
		Turn: func(due time.Time) bool { return due.Second() >= 10 },
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Names(); len(n.Requests) != 2 || len(n.Classes) != 1 || len(n.Checks) != 1 {
		t.Fatalf("names: %+v", n)
	}
	s, err := m.NewSession(0, 1, measure.New(m.Names(), measure.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, second := range []int{1, 12, 5} {
		due := start.Add(time.Duration(second) * time.Second)
		s.Iterate(t.Context(), due, due)
	}
	want := []string{
		"http://shop.test/api/cart", "http://shop.test/api/cart/7", "http://other.test/v2/cart", "http://other.test/v2/cart/7", "http://shop.test/api/cart", "http://shop.test/api/cart/7",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked\n%q, want\n%q", asked, want)
	}
	if _, err := p.Override("", plan.Overrides{Against: "other:80"}); err == nil {
		t.Error("an address that is no URL was taken")
	}
}
