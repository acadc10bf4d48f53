package value_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/value"
)

const payment = `{"id":"pay_01HZX4R8","status":"created","amount":4200,"currency":"EUR","items":[{"id":7,"price":1.5},{"id":8,"price":2}]}`

// compiler knows the names of the example plan.
func compiler() *value.Compiler {
	return &value.Compiler{
		Names: value.Names{"id": nil, "token": nil, "cards": {"number", "limit"}},
		Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"HOST": "http://localhost:8000", "EMPTY": ""}[name]
			return v, ok
		},
	}
}

func environment(status int, body string, header ...protocol.Field) *value.Env {
	e := &value.Env{
		Rand: rand.New(rand.NewPCG(1, 2)),
		Now:  time.Date(2024, 5, 17, 12, 30, 15, 250e6, time.FixedZone("", 7200)),
		User: 3,
		Iter: 8,
	}
	e.Set("id", "a b/c")
	e.Set("cards", map[string]any{"number": "4111", "limit": 500})
	e.SetResponse(&protocol.Response{Status: status, Body: []byte(body), Header: header}, 300*time.Millisecond)
	return e
}

func BenchmarkTemplate(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"two variables", "/payments/${id}?card=${cards.number}"},
		{"randInt", "${randInt(100, 9999)}"},
		{"uuid", "${uuid()}"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			t, err := compiler().URL(bench.text)
			if err != nil {
				b.Fatal(err)
			}
			env := environment(201, payment)
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				if out, err = t.Append(out[:0], env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCondition(b *testing.B) {
	for _, text := range []string{
		`status == 201`,
		`status < 400`,
		`json.status == "created"`,
		`json.amount > 100 and json.items[1].id == 8`,
		`body contains "EUR"`,
		`header["Content-Type"] startsWith "application/json"`,
	} {
		b.Run(text, func(b *testing.B) {
			c, err := compiler().Condition(text)
			if err != nil {
				b.Fatal(err)
			}
			env := environment(201, payment, protocol.Field{Name: "Content-Type", Value: "application/json"})
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Holds(env); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkAnswer is all that the example plan does with one answer, its body being new each time.
func BenchmarkAnswer(b *testing.B) {
	c := compiler()
	status, err1 := c.Condition(`status == 201`)
	state, err2 := c.Condition(`json.status == "created"`)
	id, err3 := c.Extractor(`json.id`)
	if err1 != nil || err2 != nil || err3 != nil {
		b.Fatal(err1, err2, err3)
	}
	env := environment(0, "")
	response := &protocol.Response{Status: 201, Body: []byte(payment)}
	b.ReportAllocs()
	for b.Loop() {
		env.SetResponse(response, time.Millisecond)
		one, err1 := status.Holds(env)
		two, err2 := state.Holds(env)
		v, err3 := id.Value(env)
		if !one || !two || err1 != nil || err2 != nil || err3 != nil {
			b.Fatal(one, two, err1, err2, err3)
		}
		env.Set("id", v)
	}
}
