package measure_test

import (
	"context"
	"fmt"
	"time"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// printer is a Sink.
type printer struct{}

func (printer) Consume(_ context.Context, s *measure.Snapshot) error {
	if s.Final {
		sum := s.Total.Sum(s.Names, nil)
		fmt.Printf("%d requests, %d failed, median %.2f s\n", sum.Finished, sum.Failed, sum.ResponseTime.Quantile(0.5))
		fmt.Printf("balanced: %t\n", s.Total.RequestBooks().Balanced())
	}
	return nil
}

func ExampleRecorder() {
	r := measure.New(&measure.Names{
		Classes:  []string{"PaymentUser"},
		Requests: []measure.Request{{Class: "PaymentUser", Name: "GET /payments", Method: "GET"}},
	}, measure.Options{})

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx, time.Now(), printer{}) }()

	// A user: all that it does goes to one shard.
	s := r.Shard(0)
	for range 3 {
		intended := time.Now()
		s.StartRequest(0)
		s.Observe(&measure.Observation{
			Request: 0, Outcome: protocol.OK,
			Intended: intended, Sent: intended.Add(10 * time.Millisecond), Finished: intended.Add(250 * time.Millisecond),
		})
	}

	cancel()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 requests, 0 failed, median 0.25 s
	// balanced: true
}
