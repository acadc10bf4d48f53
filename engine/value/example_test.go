package value_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/value"
)

// A user sends what a template says, checks the answer and keeps a part of it for the next request.
func Example() {
	c := value.Compiler{Names: value.Names{"id": nil, "cards": {"number"}}}
	body, err1 := c.JSON(value.Object{{Key: "amount", Value: "${randInt(100, 100)}"}, {Key: "card", Value: "${cards.number}"}})
	check, err2 := c.Condition(`status == 201 and json.status == "created"`)
	id, err3 := c.Extractor(`json.id`)
	next, err4 := c.URL(`/payments/${id}`)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		fmt.Println(err1, err2, err3, err4)
		return
	}

	env := value.Env{Rand: rand.New(rand.NewPCG(1, 1)), Now: time.Now(), User: 1}
	env.Set("cards", map[string]any{"number": "4111"})
	b, err := body.Append(nil, &env)
	fmt.Println(string(b), err)

	env.SetResponse(&protocol.Response{Status: 201, Body: []byte(`{"id": "p/7", "status": "created"}`)}, 20*time.Millisecond)
	fmt.Println(check.Holds(&env))
	v, err := id.Value(&env)
	fmt.Println(v, err)
	env.Set("id", v)
	b, err = next.Append(nil, &env)
	fmt.Println(string(b), err)
	// Output:
	// {"amount":100,"card":"4111"} <nil>
	// true <nil>
	// p/7 <nil>
	// /payments/p%2F7 <nil>
}

func ExampleCompiler_Condition() {
	c := value.Compiler{}
	_, err := c.Condition(`stauts == 201`)
	fmt.Println(err)
	// Output: unknown name stauts, did you mean status?
}

func ExampleCompiler_Constant() {
	c := value.Compiler{Getenv: func(string) (string, bool) { return "", false }}
	fmt.Println(c.Constant(`${env.PAYMENTS_URL ?? "http://localhost:8000"}`))
	// Output: http://localhost:8000 <nil>
}

func ExampleCondition_Describe() {
	c := value.Compiler{}
	check, err := c.Condition(`status == 201 and json.status == "created"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	var env value.Env
	env.SetResponse(&protocol.Response{Status: 500, Body: []byte(`{"status": "failed"}`)}, time.Millisecond)
	fmt.Println(check.Describe(&env))
	// Output: status == 201 and json.status == "created" (status was 500, json.status was "failed")
}
