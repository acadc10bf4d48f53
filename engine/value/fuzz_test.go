package value_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"tidegauge/engine/protocol"
	"tidegauge/engine/value"
)

// checkMistakes fails unless err is a list of mistakes that lie inside the text.
func checkMistakes(t *testing.T, text string, err error) {
	t.Helper()
	var all value.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("%q: the error is a %T, want Errors with at least one", text, err)
	}
	for _, e := range all {
		if e.Offset < 0 || e.Offset > len(text) || e.Message == "" {
			t.Fatalf("%q: the mistake is at %d of %d: %q", text, e.Offset, len(text), e.Message)
		}
		if strings.Contains(e.Message, "goroutine ") {
			t.Fatalf("%q: the mistake shows a stack: %s", text, e.Message)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		`status == 201`, `json.items[0].id > 3 and not (json.nope contains "x")`, `header["X"] matches "^a"`, `stauts == 1`,
		`all(json.items, .price > 1 and # != nil)`, `let x = json.count; x < 3 ? true : x in 1..5`, `a ?? b`, `(env.A ?? "x") == cards.number`,
		`now().Unix() > 5`, `1 < json.count <= 7`, `json?.a?.b ?: false`, `"é" == 'x' and`, `len(filter(json.tags, # != "a") | map(#)) == 1`,
		`if status > 2 { json.ok } else { true }`, `[1, {"a": json.tags[1:]}] == [b"x", -json.count ** 2]`, "`x` startsWith \"\\u00e9\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		condition, err := compiler().Condition(text)
		if err != nil {
			checkMistakes(t, text, err)
			return
		}
		env := environment(200, order, protocol.Field{Name: "X", Value: "abc"})
		holds, err := condition.Holds(env)
		if holds && err != nil {
			t.Fatalf("%q holds and fails: %v", text, err)
		}
		if d := condition.Describe(env); len(d) > 200 || utf8.ValidString(text) && !utf8.ValidString(d) {
			t.Fatalf("%q is described by %d bytes: %q", text, len(d), d)
		}
		if again, _ := condition.Holds(env); again != holds && !strings.Contains(text, "rand") && !strings.Contains(text, "uuid") {
			t.Fatalf("%q is %v, then %v", text, holds, again)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		``, `/payments/${id}?x=${json.items[0].id}`, `$${a}${`, `${ {"a": "}"}.a }`, `${"${"}`, `a${}b`, `http://${env.HOST}/${uuid()}`,
		`${randString(5)} ${now()} ${toJSON(json)}`, "${`}`}", `${'\'}'}`, `é${stauts}`, `${map(1..3, repeat("x", #))}`, `${env.NOPE}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, env := compiler(), environment(200, order)
		for _, compile := range []func(string) (*value.Template, error){
			c.Template, c.URL,
			func(s string) (*value.Template, error) { return c.JSON(value.Text{S: s}) },
			func(s string) (*value.Template, error) {
				return c.Form(value.Object{{Key: "k", Value: value.Text{S: s}}})
			},
		} {
			template, err := compile(text)
			if err != nil {
				checkMistakes(t, text, err)
				continue
			}
			got, err := template.Append([]byte("before"), env)
			if !strings.HasPrefix(string(got), "before") {
				t.Fatalf("%q: what was there is gone: %q", text, got)
			}
			if err != nil && len(got) != len("before") {
				t.Fatalf("%q: half a text is left: %q", text, got)
			}
			if constant, ok := template.Constant(); ok && (err != nil || constant != string(got[len("before"):])) {
				t.Fatalf("%q: the constant is %q, got %q, %v", text, constant, got, err)
			}
		}
		if _, err := c.Constant(text); err != nil {
			checkMistakes(t, text, err)
		}
	})
}

// FuzzBody reads any answer.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{order, payment, ``, `null`, `[]`, `"x"`, `1e400`, `{"a":{"b":[1,-0,1.0]}}`, `{"a":1,"a":2}`, `[[`, "{\"\x00\":\"\\ud800\"}"} {
		f.Add([]byte(seed))
	}
	c := compiler()
	var all []*value.Extractor
	for _, text := range []string{`json`, `json.a`, `json.a.b[0]`, `json[0]`, `json["a"]["b"]`, `body`} {
		x, err := c.Extractor(text)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, x)
	}
	write, err := c.JSON(value.Text{S: "${id}"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		env := environment(200, string(body))
		for _, x := range all {
			v, err := x.Value(env)
			if err != nil {
				t.Fatalf("%s of %q: %v", x, body, err)
			}
			env.Set("id", v)
			if _, err := write.Append(nil, env); err != nil && !strings.Contains(err.Error(), "Inf") {
				t.Fatalf("%s of %q cannot be written: %v", x, body, err)
			}
		}
	})
}
