package plan_test

import (
	"errors"
	"fmt"

	"tidegauge/engine/plan"
)

func ExampleParse() {
	p, err := plan.Parse("shop.yaml", []byte(`
target: {base_url: "http://localhost:8000"}
classes:
  Shopper:
    wait: {between: [1s, 3s]}
    tasks:
      - get: /products
objectives: [p95 < 500ms]
tests:
  load: {users: 50, spawn_rate: 10, duration: 5m}
`), plan.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	test, err := p.Test("load")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range test.Shape.Stages {
		fmt.Printf("%s: from %g to %g users in %v\n", s.Phase, s.From, s.To, s.Over)
	}
	// Output:
	// ramp: from 0 to 50 users in 5s
	// steady: from 50 to 50 users in 4m55s
}

func ExampleParse_mistakes() {
	_, err := plan.Parse("shop.yaml", []byte(`
target: {base_url: "http://localhost:8000", timeout: 10}
classes:
  Shopper:
    tasks:
      - gte: /products
tests:
  load: {users: 50, duration: 5m, classes: [Shoper]}
`), plan.Options{})
	fmt.Println(err)
	var mistakes plan.Errors
	fmt.Println(errors.As(err, &mistakes), len(mistakes))
	// Output:
	// shop.yaml:2:54: target.timeout: "10" has no unit, expected a duration such as 500ms, 10s, 5m, 2h or 1d, more than 0
	// shop.yaml:6:9: classes.Shopper.tasks[0].gte: unknown key "gte", did you mean get?
	// shop.yaml:8:45: tests.load.classes[0]: unknown class "Shoper", did you mean "Shopper"?
	// true 3
}

func ExamplePlan_Override() {
	p, err := plan.Parse("shop.yaml", []byte(`
target: {base_url: "http://localhost:8000"}
classes: {Shopper: {tasks: [{get: /products}]}}
tests: {load: {arrivals: 200/s, duration: 5m}}
`), plan.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	test, err := p.Override("load", plan.Overrides{Users: 100, SpawnRate: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(test.Shape.Model, test.Shape.Duration(), test.Shape.Stages[1].To)
	// Output: closed 5m0s 100
}
