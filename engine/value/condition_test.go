package value_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"tidegauge/engine/protocol"
	"tidegauge/engine/value"
)

const order = `{"status":"created","count":7,"big":12345678901234567890,"price":1.5,"none":null,"ok":true,
	"items":[{"id":12345678901234,"price":1.5},{"id":2,"price":0.5}],"tags":["a","b"],
	"a.b":1,"@this":2,"#":3,"":4,"x*":5,"na\u006de":"n","deep":{"0":"zero"}}`

func TestHolds(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{`status == 500`, true},
		{`status == 201`, false},
		{`500 == status`, true},
		{`status != 201`, true},
		{`status < 400`, false},
		{`status in [200, 500]`, true},
		{`not (status in 200..299)`, true},
		{`status >= 500 and status < 600`, true},
		{`200 <= status < 300`, false},
		{`duration < 0.5`, true},
		{`duration > 0.3`, false},
		{`user == 3 and iteration == 8`, true},
		{`body contains "created"`, true},
		{`body startsWith "["`, false},
		{`len(body) > 100`, true},

		{`header["Content-Type"] == "application/json"`, true},
		{`header("content-type") endsWith "json"`, true},
		{`header.Server == nil`, true},
		{`header["Empty"] == ""`, true},

		{`json.status == "created"`, true},
		{`json.status == "other"`, false},
		{`json["status"] == "created"`, true},
		{`json?.status == "created"`, true},
		{`json.count == 7`, true},
		{`json.count == 7.0`, true},
		{`json.count == "7"`, false},
		{`json.big == 12345678901234567`, false},
		{`json.price == 1.5`, true},
		{`json.ok`, true},
		{`not json.ok`, false},
		{`json.items[0].id == 12345678901234`, true},
		{`json.items[-1].id == 2`, true},
		{`json.items[user - 2].id == 2`, true},
		{`json["a.b"] == 1 and json["@this"] == 2 and json["#"] == 3 and json[""] == 4 and json["x*"] == 5`, true},
		{`json.name == "n"`, true},
		{`json.deep["0"] == "zero"`, true},
		{`json.items.id == nil`, true},
		{`json.status.x == nil`, true},
		{`json.items[0:1][0].id == 12345678901234`, true},
		{`len(json.items) == 2`, true},
		{`len(json) > 5`, true},
		{`all(json.items, .price > 0.1)`, true},
		{`all(json.items, .price > 1)`, false},
		{`any(json.items, #.id == 2)`, true},
		{`none(json.items, .nope)`, true},
		{`count(json.items, .price < 1) == 1`, true},
		{`"b" in json.tags`, true},
		{`json.tags == ["a", "b"]`, true},
		{`json.items | all(.price < 2)`, true},
		{`let n = json.count; n > 6 and n < 8`, true},
		{`json.status matches "^cr"`, true},
		{`json.status not matches "^cr"`, false},

		{`id == "a b/c"`, true},
		{`cards.number == "4111"`, true},
		{`int(cards.number) > 4000`, true},
		{`cards["limit"] > 100`, true},
		{`env.HOST startsWith "http"`, true},
		{`(env.NOPE ?? "d") == "d"`, true},
		{`(env.EMPTY ?? "d") == ""`, true},

		// What is missing is nil, and no error.
		{`json.nope == nil`, true},
		{`json.none == nil`, true},
		{`json.nope.deeper[3].x == nil`, true},
		{`json.nope`, false},
		{`not json.nope`, true},
		{`json.nope == 3`, false},
		{`json.nope != 3`, true},
		{`json.nope > 3`, false},
		{`json.nope < 3`, false},
		{`json.nope >= json.nope`, false},
		{`not (json.nope > 3)`, true},
		{`json.nope > 3 or status == 500`, true},
		{`json.nope and true`, false},
		{`true and json.nope`, false},
		{`json.nope or status == 500`, true},
		{`json.nope ? true : false`, false},
		{`json.nope contains "x"`, false},
		{`"x" startsWith json.nope`, false},
		{`json.nope matches "x" or status == 500`, true},
		{`"x" in json.nope`, false},
		{`len(json.nope) == 0`, false},
		{`all(json.nope, .x)`, false},
		{`upper(json.nope) == "X"`, false},
		{`json.nope + 1 > 0`, false},
		{`(json.nope ?? 5) == 5`, true},
		{`unknown == nil`, true},
		{`unknown > 3`, false},
		{`cards.owner == nil`, true},
	}
	c := compiler()
	c.Names["unknown"] = nil
	c.Names["cards"] = append(c.Names["cards"], "owner")
	env := environment(500, order, protocol.Field{Name: "Content-Type", Value: "application/json"}, protocol.Field{Name: "Empty"})
	for _, test := range tests {
		condition, err := c.Condition(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		got, err := condition.Holds(env)
		if err != nil || got != test.want {
			t.Errorf("%s: got %v, %v, want %v", test.text, got, err, test.want)
		}
		if condition.String() != test.text {
			t.Errorf("String is %s, want %s", condition.String(), test.text)
		}
	}
}

func TestHoldsErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{`json.count`, `evaluating json.count: found a number where true or false is expected`},
		{`json.status and true`, `evaluating json.status and true: found text where true or false is expected`},
		{`json.status > 3`, `evaluating json.status > 3: cannot compare text with a number: float() makes a number of text`},
		{`3 < json.status`, `evaluating 3 < json.status: cannot compare a number with text: float() makes a number of text`},
		{`json.items > 3`, `evaluating json.items > 3: cannot compare a list with a number`},
		{`upper(json.count) == "7"`, `evaluating upper(json.count) == "7": found a number where text is expected`},
		{`json.count contains "7"`, `evaluating json.count contains "7": contains is between texts, found a number and text`},
		{`json.count matches "7"`, `evaluating json.count matches "7": matches is between texts, found a number`},
		{`json.status + 1 == 3`, `evaluating json.status + 1 == 3: cannot add a number to text: string() makes text of it`},
		{`sha256(json.count) == ""`, `evaluating sha256(json.count) == "": found a number as argument 1, expected text`},
		{`all(json.status, true)`, `evaluating all(json.status, true): found text where a list is expected`},
	}
	env := environment(500, order)
	for _, test := range tests {
		condition, err := compiler().Condition(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		got, err := condition.Holds(env)
		if got || err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v, want %s", test.text, got, err, test.want)
		}
		if errors.Is(err, value.ErrNoValue) {
			t.Errorf("%s: the error is ErrNoValue though nothing is missing", test.text)
		}
	}
}

func TestBodyThatIsNotJSON(t *testing.T) {
	c := compiler()
	for _, body := range []string{"", "<html>", `{"status":"created"`, `{"status":"created"}}`, strings.Repeat("[", 20_000_000)} {
		for _, text := range []string{`json == nil`, `json.status == nil`, `json.status != "created"`, `not (json[0] > 3)`} {
			condition, err := c.Condition(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := condition.Holds(environment(200, body)); !got || err != nil {
				t.Errorf("%s of %.20q: got %v, %v, want true", text, body, got, err)
			}
		}
	}
	deep := strings.Repeat("[", 9_000) + "1" + strings.Repeat("]", 9_000)
	condition, err := c.Condition(`json[0][0] != nil and len(json) == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := condition.Holds(environment(200, deep)); !got || err != nil {
		t.Errorf("a body nested 9000 deep: got %v, %v, want true", got, err)
	}
}

func TestNoAnswer(t *testing.T) {
	for _, text := range []string{`status == 0`, `body == ""`, `json == nil`, `json.x == nil`, `header["X"] == nil`, `duration == 0`} {
		condition, err := compiler().Condition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := condition.Holds(&value.Env{}); !got || err != nil {
			t.Errorf("%s: got %v, %v, want true", text, got, err)
		}
	}
}

func TestReadsStatus(t *testing.T) {
	for text, want := range map[string]bool{
		`status == 201`:                   true,
		`status in [200, 201]`:            true,
		`json.ok or status == 404`:        true,
		`json.status == "created"`:        false,
		`header["status"] == "x"`:         false,
		`any(json.items, .status == 200)`: false,
		`any(json.items, # == status)`:    true,
	} {
		condition, err := compiler().Condition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.ReadsStatus(); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	env := environment(500, order, protocol.Field{Name: "X-Id", Value: "abc"})
	for text, want := range map[string]string{
		`status == 201`:                  `status == 201 (status was 500)`,
		`json.status == "paid"`:          `json.status == "paid" (json.status was "created")`,
		`json.nope > 3 or status == 201`: `json.nope > 3 or status == 201 (json.nope was nil, status was 500)`,
		`status > 1 and status < 3`:      `status > 1 and status < 3 (status was 500)`,
		`header["X-Id"] == id`:           `header["X-Id"] == id (header["X-Id"] was "abc", id was "a b/c")`,
		`cards.limit < duration`:         `cards.limit < duration (cards.limit was 500, duration was 0.3)`,
		`any(json.tags, # == "c")`:       `any(json.tags, # == "c") (json.tags was ["a","b"])`,
		`body == ""`:                     `body == "" (body was "{\"status\":\"created\",\"count\":7,…)`,
		`1 == 2`:                         `1 == 2`,
		`upper(json.count) == "X"`:       `upper(json.count) == "X" (json.count was 7)`,
		`json.items[user - 2].id == 5`:   `json.items[user - 2].id == 5 (json.items was [{"id":12345678901234,"price":1.5},{"…, user was 3)`,
	} {
		condition, err := compiler().Condition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.Describe(env); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestDescribeIsShort(t *testing.T) {
	env := environment(500, `"`+strings.Repeat("é", 1000)+`"`)
	for _, text := range []string{
		`json == "` + strings.Repeat("ü", 1000) + `"`,
		`json == "ä"` + strings.Repeat(` or json == "ä"`, 40),
		`json.` + strings.Repeat("x", 300) + ` == body`,
		`[json, body, status, duration, user, iteration, id, cards.number, cards.limit, json.a, json.b] == []`,
	} {
		condition, err := compiler().Condition(text)
		if err != nil {
			t.Fatal(err)
		}
		got := condition.Describe(env)
		if len(got) > 200 || !utf8.ValidString(got) {
			t.Errorf("got %d bytes, want at most 200 of whole characters: %s", len(got), got)
		}
	}
}

func TestExtractor(t *testing.T) {
	c := compiler()
	env := environment(201, order, protocol.Field{Name: "Location", Value: "/payments/7"})
	for text, want := range map[string]any{
		`json.items[0].id`:                  12345678901234,
		`json.big`:                          uint64(12345678901234567890),
		`json.price`:                        1.5,
		`json.status`:                       "created",
		`json.ok`:                           true,
		`json.nope`:                         nil,
		`upper(json.nope)`:                  nil,
		`header["Location"]`:                "/payments/7",
		`split(header["Location"], "/")[2]`: "7",
		`header["Nope"]`:                    nil,
		`status`:                            201,
		`first(filter(json.items, .price < 1)).id`: 2,
	} {
		x, err := c.Extractor(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := x.Value(env); err != nil || got != want {
			t.Errorf("%s: got %v (%T), %v, want %v", text, got, got, err, want)
		}
	}
	x, err := c.Extractor(`upper(json.count)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Value(env); err == nil || err.Error() != `evaluating upper(json.count): found a number where text is expected` {
		t.Errorf("got %v", err)
	}
}

// An extracted value outlives the answer, whose memory is used again.
func TestExtractedValueIsACopy(t *testing.T) {
	env := environment(201, "")
	response := &protocol.Response{Body: []byte(`{"id":"first","list":["first"]}`)}
	env.SetResponse(response, 0)
	var extracted []any
	for _, text := range []string{`json.id`, `json.list[0]`, `json["list"]`, `json`, `body`} {
		x, err := compiler().Extractor(text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := x.Value(env)
		if err != nil {
			t.Fatal(err)
		}
		extracted = append(extracted, v)
	}
	clear(response.Body)
	env.Set("id", extracted)
	text, err := compiler().Template(`${toJSON(id)}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := text.Append(nil, env)
	if err != nil {
		t.Fatal(err)
	}
	want := `["first","first",["first"],{"id":"first","list":["first"]},"{\"id\":\"first\",\"list\":[\"first\"]}"]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Nothing of an earlier answer or iteration is left.
func TestEnvForgets(t *testing.T) {
	c := compiler()
	template, err := c.Template(`${status} ${body} ${json.a ?? "none"} ${len(json ?? [])} ${header["X"] ?? "none"} ${id ?? "none"}`)
	if err != nil {
		t.Fatal(err)
	}
	env := environment(201, "")
	response := &protocol.Response{Status: 200, Body: []byte(`{"a":1}`), Header: []protocol.Field{{Name: "X", Value: "y"}}}
	env.SetResponse(response, 0)
	check := func(want string) {
		t.Helper()
		got, err := template.Append(nil, env)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	check(`200 {"a":1} 1 1 y a b/c`)
	response.Status, response.Body, response.Header = 404, append(response.Body[:0], `{"b":1,"c":2}`...), nil
	env.SetResponse(response, 0)
	check(`404 {"b":1,"c":2} none 2 none a b/c`)
	env.Reset()
	check(`0  none 0 none none`)
}
