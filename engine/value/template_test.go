package value_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/protocol"
	"tidegauge/engine/value"
)

// evaluate appends to something, so that what was there is seen to stay.
func evaluate(t *testing.T, template *value.Template, env *value.Env) string {
	t.Helper()
	b, err := template.Append([]byte("> "), env)
	if err != nil {
		t.Errorf("%s: %v", template, err)
		return ""
	}
	return string(b[2:])
}

func TestTemplate(t *testing.T) {
	env := environment(200, order, protocol.Field{Name: "ETag", Value: `W/"1"`})
	for text, want := range map[string]string{
		``:                                         ``,
		`plain $ {text} $x`:                        `plain $ {text} $x`,
		`a${id}b`:                                  `aa b/cb`,
		`${id}${cards.number}${cards.limit}`:       `a b/c4111500`,
		`$${id} costs $$5`:                         `${id} costs $$5`,
		`${"${nested}"}`:                           `${nested}`,
		`${ {"a": "}"}.a }x`:                       `}x`,
		`${"\"}" + '}\''}`:                         `"}}'`,
		"${`}\\`}":                                 `}\`,
		`é${user}ü`:                                `é3ü`,
		`${json.items[0].id}`:                      `12345678901234`,
		`${json.big}`:                              `12345678901234567890`,
		`${json.price} ${1e21} ${1e-7} ${2.0}`:     `1.5 1e+21 1e-07 2`,
		`${json.ok}`:                               `true`,
		`${json.tags}`:                             `["a","b"]`,
		`${json.items[1]}`:                         `{"id":2,"price":0.5}`,
		`${header["ETag"]}`:                        `W/"1"`,
		`${status} ${duration} ${iteration}`:       `200 0.3 8`,
		`${now()}`:                                 `2024-05-17T10:30:15.25Z`,
		`${now().Format("2006-01-02")}`:            `2024-05-17`,
		`${now() + duration("90m")}`:               `2024-05-17T12:00:15.25Z`,
		`${unix()} ${unixMilli()}`:                 `1715941815 1715941815250`,
		`${env.HOST}/x`:                            `http://localhost:8000/x`,
		`${env.NOPE ?? "d"} ${env["HOST"]}`:        `d http://localhost:8000`,
		`${env.EMPTY ?? "d"}`:                      ``,
		`${(env.NOPE ?? env.NOPE2) ?? user}`:       `3`,
		`${json.nope ?? "none"}`:                   `none`,
		`${status == 200 ? "yes" : "no"}`:          `yes`,
		`${if user > 2 { "many" } else { "few" }}`: `many`,
		`${map(1..3, # * 2)}`:                      `[2,4,6]`,
		`${[1, "a\n", nil, true, {"k": 1.5}]}`:     `[1,"a\n",null,true,{"k":1.5}]`,
	} {
		template, err := compiler().Template(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := evaluate(t, template, env); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if template.String() != text {
			t.Errorf("String is %s, want %s", template.String(), text)
		}
	}
}

func TestTemplateMistakes(t *testing.T) {
	for text, want := range map[string]value.Error{
		`/x/${id`:        {Offset: 3, Message: "${ is not closed: expected } (write $${ for a literal ${)"},
		`/x/${"}`:        {Offset: 3, Message: "${ is not closed: expected } (write $${ for a literal ${)"},
		`${ {"a": 1 }`:   {Offset: 0, Message: "${ is not closed: expected } (write $${ for a literal ${)"},
		`é${}`:           {Offset: 4, Message: "expected an expression, found nothing"},
		`é${ id + idd }`: {Offset: 10, Message: "unknown name idd, did you mean id?"},
		`${id}${env.A}`:  {Offset: 7, Message: `environment variable A is not set: set it, or give a default: env.A ?? "..."`},
	} {
		_, err := compiler().Template(text)
		var first *value.Error
		if !errors.As(err, &first) || *first != want {
			t.Errorf("%s: got %v at %v, want %+v", text, err, first, want)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	env := environment(200, order)
	for _, test := range []struct {
		text, want string
		missing    bool
	}{
		{`/x/${json.nope}`, `evaluating ${json.nope}: has no value`, true},
		{`/x/${id}/${upper(json.nope)}`, `evaluating ${upper(json.nope)}: something in it has no value`, true},
		{`${token}`, `evaluating ${token}: has no value`, true},
		{`${upper(json.count)}`, `evaluating ${upper(json.count)}: found a number where text is expected`, false},
		{`${1/0}`, `evaluating ${1/0}: is +Inf, which is not a number that can be written`, false},
		{`${user % (user - 3)}`, `evaluating ${user % (user - 3)}: runtime error: integer divide by zero`, false},
		{`${randInt(5, 1)}`, `evaluating ${randInt(5, 1)}: randInt(5, 1): the first number must not be larger than the second`, false},
		{`${now().Format}`, `evaluating ${now().Format}: has no value`, true},
	} {
		template, err := compiler().URL(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		got, err := template.Append([]byte("before"), env)
		if err == nil || err.Error() != test.want || errors.Is(err, value.ErrNoValue) != test.missing {
			t.Errorf("%s: got %v, want %s (no value: %v)", test.text, err, test.want, test.missing)
		}
		if string(got) != "before" {
			t.Errorf("%s: what was there became %q", test.text, got)
		}
	}
}

func TestConstantTemplate(t *testing.T) {
	for text, constant := range map[string]bool{
		``: true, `a`: true, `$${x}`: true, `${env.HOST}/a`: true, `${"x"}`: true,
		`${id}`: false, `a${uuid()}`: false,
	} {
		template, err := compiler().Template(text)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := template.Constant()
		if ok != constant {
			t.Errorf("%s: constant is %v, want %v", text, ok, constant)
		}
		if want := evaluate(t, template, environment(0, "")); ok && got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestURL(t *testing.T) {
	env := environment(200, `{"next":"/payments?page=2&a=b c","q":"a&b=c d/é+"}`)
	env.Set("token", "localhost:80")
	for text, want := range map[string]string{
		`/payments/${id}`:                       `/payments/a%20b%2Fc`,
		`/payments/${id}?q=${json.q}&n=${user}`: `/payments/a%20b%2Fc?q=a%26b%3Dc%20d%2F%C3%A9%2B&n=3`,
		`/p?at=${now()}`:                        `/p?at=2024-05-17T10%3A30%3A15.25Z`,
		`${json.next}`:                          `/payments?page=2&a=b c`,
		`${env.HOST}/p/${id}`:                   `http://localhost:8000/p/a%20b%2Fc`,
		`${json.next}${json.next}`:              `/payments?page=2&a=b c/payments?page=2&a=b c`,
		`http://${token}/p/${token}`:            `http://localhost:80/p/localhost%3A80`,
		`http://${token}?x=${token}`:            `http://localhost:80?x=localhost%3A80`,
		`/a b/${env.HOST}`:                      `/a b/http%3A%2F%2Flocalhost%3A8000`,
	} {
		template, err := compiler().URL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := evaluate(t, template, env); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	env := environment(200, order)
	env.Set("id", "a\"\\\n\x01é\xff")
	body := value.Object{
		{Key: "z", Value: value.Text{S: "${json.count}"}},
		{Key: "a", Value: "${json.big}"},
		{Key: "text", Value: "${id}"},
		{Key: "mixed", Value: "n ${json.count} \"${id}\""},
		{Key: "escaped", Value: "$${id}"},
		{Key: "null", Value: "${json.nope}"},
		{Key: "env", Value: "${env.HOST}"},
		{Key: "list", Value: []any{1, int64(-2), uint64(math.MaxUint64), 1.5, true, nil, "${json.tags}", value.Object{}, []any{}}},
		{Key: "${user}${cards.number}", Value: value.Object{{Key: "when", Value: "${now()}"}}},
	}
	template, err := compiler().JSON(body)
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, template, env)
	text := `"a\"\\\n\u0001é` + "\ufffd" + `"`
	want := `{"z":7,"a":12345678901234567890,"text":` + text + `,"mixed":"n 7 \"` + text[1:len(text)-1] + `\"","escaped":"${id}","null":null,` +
		`"env":"http://localhost:8000","list":[1,-2,18446744073709551615,1.5,true,null,["a","b"],{},[]],"34111":{"when":"2024-05-17T10:30:15.25Z"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("what came out is not JSON")
	}
	if got, want := template.String()[:30], `{"z":"${json.count}","a":"${js`; got != want {
		t.Errorf("String starts with %s, want %s", got, want)
	}
}

func TestJSONOfEveryKind(t *testing.T) {
	for _, test := range []struct {
		body any
		want string
	}{
		{nil, `null`}, {true, `true`}, {"x", `"x"`}, {value.Text{S: "${user}"}, `3`}, {[]any{}, `[]`}, {7, `7`},
		{value.Text{S: "${1.0}"}, `1`}, {value.Text{S: "a${1.5}"}, `"a1.5"`}, {value.Text{S: "${now()}"}, `"2024-05-17T10:30:15.25Z"`},
		{value.Text{S: `${duration("90s")}`}, `"1m30s"`}, {value.Text{S: `${keys(cards)}`}, `["limit","number"]`},
		{value.Text{S: `${cards}`}, `{"limit":500,"number":"4111"}`},
	} {
		template, err := compiler().JSON(test.body)
		if err != nil {
			t.Errorf("%v: %v", test.body, err)
			continue
		}
		if got := evaluate(t, template, environment(0, "")); got != test.want {
			t.Errorf("%v: got %s, want %s", test.body, got, test.want)
		}
	}
}

func TestBodyMistakesHaveTheirPlace(t *testing.T) {
	body := value.Object{
		{Key: "a", Value: value.Text{S: "x${idd}", At: "place of a"}},
		{Key: "${b", Value: "y", At: "place of b"},
		{Key: "c", Value: []any{value.Text{S: "${usr}", At: "place of c"}, struct{}{}}, At: "key c"},
		{Key: "d", Value: math.NaN(), At: "key d"},
		{Key: "e", Value: "${itertion}", At: "key e"},
	}
	const unclosed = "${ is not closed: expected } (write $${ for a literal ${)"
	want := []value.Error{
		{Offset: 3, Message: "unknown name idd, did you mean id?", At: "place of a"},
		{Offset: 0, Message: unclosed, At: "place of b"},
		{Offset: 2, Message: "unknown name usr, did you mean user?", At: "place of c"},
		{Message: "cannot write a value of type struct {}, expected an object, a list, text, a number, true, false or null", At: "key c"},
		{Message: "is NaN, which is not a number that can be written", At: "key d"},
		{Offset: 2, Message: "unknown name itertion, did you mean iteration?", At: "key e"},
	}
	_, err := compiler().JSON(body)
	compareMistakes(t, err, want)

	_, err = compiler().Form(value.Object{body[0], body[1], body[3], {Key: "o", Value: value.Object{}, At: "key o"}, {Key: "l", Value: []any{[]any{}}, At: "key l"}})
	const kinds = ", expected text, a number, true or false, or a list of them"
	compareMistakes(t, err, []value.Error{want[0], want[1], want[4],
		{Message: "a form's value cannot be a list" + kinds, At: "key o"}, {Message: "a form's value cannot be a list" + kinds, At: "key l"}})
}

func compareMistakes(t *testing.T, err error, want []value.Error) {
	t.Helper()
	var all value.Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v, want Errors", err)
	}
	got := make([]value.Error, len(all))
	for i := range all {
		got[i] = *all[i]
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mistakes (-want +got):\n%s", d)
	}
}

func TestForm(t *testing.T) {
	env := environment(200, order)
	template, err := compiler().Form(value.Object{
		{Key: "a b", Value: "x&y=${id}"},
		{Key: "k${user}", Value: value.Text{S: "${json.price}"}},
		{Key: "list", Value: []any{1, "${user}", true}},
		{Key: "none", Value: nil},
		{Key: "host", Value: "${env.HOST}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, template, env)
	if want := `a%20b=x%26y%3Da%20b%2Fc&k3=1.5&list=1&list=3&list=true&none=&host=http%3A%2F%2Flocalhost%3A8000`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	values, err := url.ParseQuery(got)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"a b": {"x&y=a b/c"}, "k3": {"1.5"}, "list": {"1", "3", "true"}, "none": {""}, "host": {"http://localhost:8000"}}
	if d := cmp.Diff(want, values); d != "" {
		t.Errorf("as a server reads it (-want +got):\n%s", d)
	}
	if got, want := template.String(), `a b=x&y=${id}&k${user}=${json.price}&list=1&list=${user}&list=true&none=&host=${env.HOST}`; got != want {
		t.Errorf("String is %s, want %s", got, want)
	}
}

func TestConstant(t *testing.T) {
	c := compiler()
	for text, want := range map[string]string{
		`x`:                           `x`,
		`${env.HOST}/v1`:              `http://localhost:8000/v1`,
		`${env.NOPE ?? "10"}s`:        `10s`,
		`${upper(env.NOPE ?? "a")}`:   `A`,
		`${int(env.NOPE ?? "3") * 2}`: `6`,
		`$${env.HOST}`:                `${env.HOST}`,
	} {
		if got, err := c.Constant(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	const only = " is not known before the run: only environment variables can be used here, as in ${env.NAME}"
	for text, want := range map[string]value.Error{
		`a${env.NOPE}`:         {Offset: 3, Message: `environment variable NOPE is not set: set it, or give a default: env.NOPE ?? "..."`},
		`${status}`:            {Offset: 2, Message: "status" + only},
		`${json.a}`:            {Offset: 7, Message: "json.a" + only},
		`${randInt(1, 2)}`:     {Offset: 2, Message: "randInt()" + only},
		`${now()}`:             {Offset: 2, Message: "now()" + only},
		`${id}`:                {Offset: 2, Message: "unknown name id"},
		`${env.HOST`:           {Offset: 0, Message: "${ is not closed: expected } (write $${ for a literal ${)"},
		`${fromBase64("%%%")}`: {Offset: 0, Message: "evaluating ${fromBase64(\"%%%\")}: illegal base64 data at input byte 0"},
	} {
		_, err := c.Constant(text)
		var first *value.Error
		if !errors.As(err, &first) || *first != want {
			t.Errorf("%s: got %v, want %+v", text, err, want)
		}
	}
	var zero value.Compiler
	if _, err := zero.Constant(`${env.HOST}`); err == nil {
		t.Error("the zero Compiler knows an environment variable")
	}
}
