package value_test

import (
	"errors"
	"strings"
	"testing"

	"tidegauge/engine/value"
)

func TestMistakes(t *testing.T) {
	tests := []struct {
		text   string
		offset int
		want   string
	}{
		{`stauts == 201`, 0, `unknown name stauts, did you mean status?`},
		{`status == 1 and jsn.x == 2`, 16, `unknown name jsn, did you mean json?`},
		{`"é" == "b" and bla`, 16, `unknown name bla`},
		{`crads.number == "1"`, 0, `unknown name crads, did you mean cards?`},
		{`cards.numbr == "1"`, 6, `unknown column numbr of cards, did you mean number?`},
		{`cards["numbr"] == "1"`, 6, `unknown column numbr of cards, did you mean number?`},
		{`cards.colour == "1"`, 6, `unknown column colour of cards, expected one of number, limit`},
		{`uper(body) == "X"`, 0, `unknown function uper, did you mean upper?`},
		{`randomInt(1, 2) == 1`, 0, `unknown function randomInt, did you mean randInt?`},
		{`reduce(json.items, #acc)`, 0, `unknown function reduce`},
		{`date("2024-01-01") == 1`, 0, `unknown function date`},
		{`upper == "X"`, 0, `upper is a function: expected upper(...)`},
		{`header == "X"`, 0, `header needs the name of a field: header["Content-Type"]`},
		{`env == "X"`, 0, `env needs the name of a variable: env.NAME`},
		{`env.NOPE == "x"`, 0, `environment variable NOPE is not set: set it, or give a default: env.NOPE ?? "..."`},
		{`("x" ?? env.NOPE) == "x"`, 8, `environment variable NOPE is not set: set it, or give a default: env.NOPE ?? "..."`},
		{`$env == 1`, 0, `unknown name $env, did you mean env?`},
		{`$status() == 1`, 0, `unknown function $status`},
		{`let $env = 1; status == 2`, 4, `"$env" cannot be a name: expected letters, digits and _, and no digit first`},
		{`let status = 1; status == 2`, 4, `"status" cannot be a name: it has a meaning of its own in expressions`},
		{`status == "201"`, 7, `invalid operation: == (mismatched types int and string)`},
		{`status = 201`, 7, `unexpected token "=", expected == to compare`},
		{`status ==`, 8, `unexpected end of the expression`},
		{`status == 201 201`, 14, `unexpected token "201"`},
		{`status == 'x`, 12, `literal not terminated`},
		{`duration < 500ms`, 14, `bad number syntax: "500m", expected a plain number (times are in seconds: 0.5)`},
		{`status`, 0, `found a number where true or false is expected`},
		{`"x"`, 0, `found text where true or false is expected`},
		{`upper(status) == "X"`, 6, `cannot use int as argument (type string) to call upper`},
		{`randInt("a", 2) == 1`, 8, `cannot use string as argument (type int) to call randInt`},
		{`randInt(1) == 1`, 0, `not enough arguments to call randInt`},
		{`now().Tomorrow() == 1`, 6, `type time.Time has no method Tomorrow`},
		{`body matches "["`, 5, "error parsing regexp: missing closing ]: `[`"},
		{``, 0, `expected an expression, found nothing`},
		{" \t", 0, `expected an expression, found nothing`},
		{strings.Repeat("(", 100), 99, `unexpected end of the expression`},
		{strings.Repeat(" ", 20_000), 0, `the expression is 20000 bytes long, expected at most 16384`},
	}
	for _, test := range tests {
		_, err := compiler().Condition(test.text)
		var first *value.Error
		if !errors.As(err, &first) {
			t.Errorf("%.60s: got %v, want a mistake: %s", test.text, err, test.want)
			continue
		}
		if first.Offset != test.offset || first.Message != test.want {
			t.Errorf("%.60s:\ngot  %d: %s\nwant %d: %s", test.text, first.Offset, first.Message, test.offset, test.want)
		}
	}
}

func TestTooManyNodes(t *testing.T) {
	_, err := compiler().Condition("true" + strings.Repeat(" and true", 1000))
	if err == nil || err.Error() != "expression exceeds maximum allowed nodes" {
		t.Errorf("got %v", err)
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	_, err := compiler().Template(`/${stauts}/${id}/${usr + itertion}`)
	var all value.Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v, want Errors", err)
	}
	want := []value.Error{
		{Offset: 3, Message: "unknown name stauts, did you mean status?"},
		{Offset: 19, Message: "unknown name usr, did you mean user?"},
		{Offset: 25, Message: "unknown name itertion, did you mean iteration?"},
	}
	if len(all) != len(want) {
		t.Fatalf("got %d mistakes (%v), want %d", len(all), err, len(want))
	}
	for i := range want {
		if *all[i] != want[i] {
			t.Errorf("got %+v, want %+v", *all[i], want[i])
		}
	}
	if got := err.Error(); got != want[0].Message+"\n"+want[1].Message+"\n"+want[2].Message {
		t.Errorf("got %s", got)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"id", "_x", "card2", "userID"} {
		if err := value.CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"":        "expected a name, found nothing",
		"2x":      `"2x" cannot be a name: expected letters, digits and _, and no digit first`,
		"card-id": `"card-id" cannot be a name: expected letters, digits and _, and no digit first`,
		"é":       `"é" cannot be a name: expected letters, digits and _, and no digit first`,
		"json":    `"json" cannot be a name: it has a meaning of its own in expressions`,
		"not":     `"not" cannot be a name: it has a meaning of its own in expressions`,
		"len":     `"len" cannot be a name: it has a meaning of its own in expressions`,
		"uuid":    `"uuid" cannot be a name: it has a meaning of its own in expressions`,
	} {
		if err := value.CheckName(name); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
}
