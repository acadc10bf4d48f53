package user_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/user"
)

// Example runs one iteration of one user and looks at what was recorded.
func Example() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	p, err := plan.Parse("shop.yaml", []byte(`
target: {base_url: "`+server.URL+`"}
classes: {Visitor: {tasks: [{steps: [{get: /home}, {get: /items}]}]}}
tests: {load: {users: 1, duration: 1m}}
`), plan.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mix, err := user.NewMix(p, &p.Tests[0], user.Options{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	recorder := measure.New(mix.Names(), measure.Options{})
	session, err := mix.NewSession(mix.ClassOf(0), 1, recorder)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := session.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	now := time.Now()
	session.Iterate(context.Background(), now, now)

	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = recorder.Run(over, now, last(func(s *measure.Snapshot) { // the sink has no errors
		for _, f := range s.Failures {
			r := s.Names.Requests[f.Request]
			fmt.Printf("%s %s: %v, %s\n", r.Class, r.Name, f.Outcome, f.Detail)
		}
		fmt.Println("iterations finished:", s.Total.Classes[0].Iterations.Finished)
	}))
	// Output:
	// Visitor GET /home: status, status 404
	// iterations finished: 1
}
