package load_test

import (
	"fmt"
	"time"

	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// Two seconds at two a second, shared by two machines.
func ExampleArrivals_Share() {
	shape := plan.Shape{Model: plan.Open, Stages: []plan.Stage{{From: 2, To: 2, Over: 2 * time.Second, Phase: "steady"}}}
	whole := load.NewArrivals(&shape, 0)
	for k := range 2 {
		share := whole.Share(k, 2)
		for due, ok := share.Next(); ok; due, ok = share.Next() {
			fmt.Println("machine", k, "at", due)
		}
	}
	// Output:
	// machine 0 at 0s
	// machine 0 at 1s
	// machine 1 at 500ms
	// machine 1 at 1.5s
}

// Three users, two a second, as Locust would start them.
func ExampleUsers() {
	shape := plan.Shape{Model: plan.Closed, Stages: []plan.Stage{
		{From: 0, To: 3, Over: 1500 * time.Millisecond, Phase: "ramp"},
		{From: 3, To: 3, Over: time.Minute, Phase: "steady"},
	}}
	users := load.NewUsers(&shape)
	for at, change, ok := users.Next(); ok; at, change, ok = users.Next() {
		fmt.Printf("%+d at %v\n", change, at)
	}
	fmt.Println("at 700ms there are", users.At(700*time.Millisecond))
	// Output:
	// +1 at 0s
	// +1 at 500ms
	// +1 at 1s
	// at 700ms there are 2
}
