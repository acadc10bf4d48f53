package value_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegauge/engine/value"
)

func TestFunctions(t *testing.T) {
	tests := map[string]struct{ call, want string }{
		"abs":        {`abs(-3)`, `3`},
		"all":        {`all([1, 2], # > 0)`, `true`},
		"any":        {`any([1, 2], # > 1)`, `true`},
		"base64":     {`base64("a?>")`, `YT8+`},
		"ceil":       {`ceil(1.2)`, `2`},
		"count":      {`count([1, 2, 3], # > 1)`, `2`},
		"duration":   {`duration("90s")`, `1m30s`},
		"filter":     {`filter([1, 2, 3], # > 1)`, `[2,3]`},
		"find":       {`find([1, 2, 3], # > 1)`, `2`},
		"first":      {`first([1, 2])`, `1`},
		"float":      {`float("1.50")`, `1.5`},
		"floor":      {`floor(1.8)`, `1`},
		"fromBase64": {`fromBase64("YT8+")`, `a?>`},
		"fromJSON":   {`fromJSON("{\"a\": [1, 2.5]}").a`, `[1,2.5]`},
		"indexOf":    {`indexOf("abc", "c")`, `2`},
		"int":        {`int("12") + 1`, `13`},
		"join":       {`join([1, "a", 2.5], "-")`, `1-a-2.5`},
		"keys":       {`keys({"b": 1, "a": 2})`, `["a","b"]`},
		"last":       {`last([1, 2])`, `2`},
		"len":        {`len("aé")`, `2`},
		"lower":      {`lower("AÉ")`, `aé`},
		"map":        {`map([1, 2], # * 2)`, `[2,4]`},
		"max":        {`max(1, 3, 2)`, `3`},
		"md5":        {`md5("abc")`, `900150983cd24fb0d6963f7d28e17f72`},
		"mean":       {`mean([1, 2])`, `1.5`},
		"median":     {`median([1, 5, 2])`, `2`},
		"min":        {`min(3, 1, 2)`, `1`},
		"none":       {`none([1, 2], # > 2)`, `true`},
		"now":        {`now()`, `2024-05-17T10:30:15.25Z`},
		"one":        {`one([1, 2], # > 1)`, `true`},
		"randChoice": {`randChoice(["x"])`, `x`},
		"randFloat":  {`randFloat(2, 2)`, `2`},
		"randHex":    {`len(randHex(8))`, `8`},
		"randInt":    {`randInt(7, 7)`, `7`},
		"randString": {`len(randString(9))`, `9`},
		"repeat":     {`repeat("ab", 3)`, `ababab`},
		"replace":    {`replace("aXbX", "X", "--")`, `a--b--`},
		"round":      {`round(1.6)`, `2`},
		"sha256":     {`sha256("abc")`, `ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad`},
		"sort":       {`sort([3, 1, 2])`, `[1,2,3]`},
		"split":      {`split("a,b", ",")`, `["a","b"]`},
		"string":     {`string(12) + string(1.5) + string([1]) + string(now())`, `121.5[1]2024-05-17T10:30:15.25Z`},
		"sum":        {`sum([1, 2])`, `3`},
		"toJSON":     {`toJSON({"b": "x", "a": [1]})`, `{"a":[1],"b":"x"}`},
		"trim":       {`trim(" a ")`, `a`},
		"trimPrefix": {`trimPrefix("abc", "a")`, `bc`},
		"trimSuffix": {`trimSuffix("abc", "c")`, `ab`},
		"type":       {`type("a")`, `string`},
		"unix":       {`unix()`, `1715941815`},
		"unixMilli":  {`unixMilli()`, `1715941815250`},
		"upper":      {`upper("aé")`, `AÉ`},
		"urlEncode":  {`urlEncode("a b/é~")`, `a%20b%2F%C3%A9~`},
		"uuid":       {`len(uuid())`, `36`},
		"values":     {`values({"b": 1, "a": 2})`, `[2,1]`},
	}
	env := environment(0, "")
	functions := value.Functions()
	if !slices.IsSortedFunc(functions, func(a, b value.Function) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the functions are not in order")
	}
	for _, f := range functions {
		test, ok := tests[f.Name]
		if !ok {
			t.Errorf("%s is not tested", f.Name)
			continue
		}
		delete(tests, f.Name)
		if !strings.HasPrefix(f.Signature, f.Name+"(") || f.Help == "" {
			t.Errorf("%s is described as %q: %q", f.Name, f.Signature, f.Help)
		}
		template, err := compiler().Template("${" + test.call + "}")
		if err != nil {
			t.Errorf("%s: %v", test.call, err)
			continue
		}
		if got := evaluate(t, template, env); got != test.want {
			t.Errorf("%s: got %s, want %s", test.call, got, test.want)
		}
	}
	for name := range tests {
		t.Errorf("%s is not listed", name)
	}
}

func TestFunctionErrors(t *testing.T) {
	env := environment(200, `{"n": 1.5, "s": "x", "l": []}`)
	for call, want := range map[string]string{
		`randInt(json.n, 2)`:       `found a number as argument 1, expected a whole number`,
		`randInt(1, json.s)`:       `found text as argument 2, expected a whole number`,
		`randFloat(json.s, 2)`:     `found text as argument 1, expected a number`,
		`randChoice(json.s)`:       `found text as argument 1, expected a list`,
		`randChoice(json.l)`:       `randChoice: the list is empty`,
		`randString(-1)`:           `makes text of -1 bytes, expected 0 to 16777216`,
		`randHex(100000000)`:       `makes text of 100000000 bytes, expected 0 to 16777216`,
		`repeat("x", 9000000000)`:  `makes text of 9000000000 bytes, expected 0 to 16777216`,
		`repeat("xx", 10000000)`:   `makes text of 20000000 bytes, expected 0 to 16777216`,
		`base64(json.n)`:           `found a number as argument 1, expected text`,
		`join(json.s, "")`:         `found text as argument 1, expected a list`,
		`keys(json.l)`:             `found a list as argument 1, expected an object`,
		`replace(json.s, "x", "")`: ``,
	} {
		template, err := compiler().Template("${" + call + "}")
		if err != nil {
			t.Fatal(err)
		}
		if want != "" {
			want = "evaluating ${" + call + "}: " + want
		}
		_, err = template.Append(nil, env)
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	template, err := compiler().Template("${uuid()}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := template.Append(nil, &value.Env{}); err == nil || err.Error() != "evaluating ${uuid()}: has no source of random numbers" {
		t.Errorf("got %v", err)
	}
}

func TestRandomIsFromTheEnv(t *testing.T) {
	template, err := compiler().Template(`${randInt(-5, 5)} ${randFloat(0, 1)} ${randChoice(["a", "b", "c"])} ${randString(8)} ${randHex(8)} ${uuid()}`)
	if err != nil {
		t.Fatal(err)
	}
	draw := func() (all []string) {
		env := environment(0, "")
		for range 50 {
			all = append(all, evaluate(t, template, env))
		}
		return all
	}
	first := draw()
	if !slices.Equal(first, draw()) {
		t.Error("the same seed gives other values")
	}
	form := regexp.MustCompile(`^-?[0-5] 0\.\d+ [abc] [0-9A-Za-z]{8} [0-9a-f]{8} [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for i, s := range first {
		if !form.MatchString(s) {
			t.Errorf("%s is not of the form %s", s, form)
		}
		if i > 0 && s == first[i-1] {
			t.Errorf("%s comes twice", s)
		}
	}
}

func TestRandIntIsUniformAndInclusive(t *testing.T) {
	x, err := compiler().Extractor(`randInt(-1, 2)`)
	if err != nil {
		t.Fatal(err)
	}
	env := environment(0, "")
	counts := make(map[any]int)
	for range 4000 {
		v, err := x.Value(env)
		if err != nil {
			t.Fatal(err)
		}
		counts[v]++
	}
	for n := -1; n <= 2; n++ {
		// Binomial with mean 1000 and standard deviation 27; the seed is fixed, so this never flickers.
		if c := counts[n]; c < 890 || c > 1110 {
			t.Errorf("%d was drawn %d times of 4000, want about 1000", n, c)
		}
		delete(counts, n)
	}
	if len(counts) != 0 {
		t.Errorf("drawn beside -1 to 2: %v", counts)
	}
	whole, err := compiler().Extractor(`randInt(-9223372036854775807 - 1, 9223372036854775807)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := whole.Value(env); err != nil {
		t.Error(err)
	}
}

// None of these may take long or much memory, whatever they say.
func TestHostileExpressions(t *testing.T) {
	double := func(step string, n int) string {
		s := `let a0 = "` + strings.Repeat("a", 64) + `"; `
		for i := 1; i <= n; i++ {
			s += strings.NewReplacer("NEW", "a"+string(rune('A'+i)), "OLD", map[bool]string{true: "a0", false: "a" + string(rune('A'+i-1))}[i == 1]).Replace(step)
		}
		return s + "len(string(a" + string(rune('A'+n)) + "))"
	}
	const work = "does too much work for one request: the lists are too long or the text is too large"
	env := environment(200, `{"s": "aaaaaaaaaaaaaaaa"}`)
	for text, want := range map[string]string{
		`let a = 1..90000; all(a, all(a, all(a, true)))`:  work,
		`len(1..1000000000)`:                              "makes lists of more than 100000 items",
		`len(map(1..90000, map(1..90000, 1)))`:            "makes lists of more than 100000 items",
		double("let NEW = OLD + OLD; ", 24):               work,
		double("let NEW = [OLD, OLD]; ", 24):              "becomes text of more than 16777216 bytes",
		double(`let NEW = replace(OLD, "a", "aa"); `, 24): work,
		`len(join(map(1..90000, repeat("x", 1000)), ""))`: work,
		`len(split(repeat("x", 2000000), ""))`:            work,
	} {
		x, err := compiler().Extractor(text)
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		start := time.Now()
		v, err := x.Value(env)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.60s: got %v, %v, want %s", text, v, err, want)
		}
		t.Logf("%.60s: %v", text, time.Since(start))
	}
}

// Compiled expressions are shared by all users.
func TestConcurrentUse(t *testing.T) {
	c := compiler()
	template, err1 := c.Template(`${user}: ${json.items[0].id} ${map(json.tags, upper(#))}`)
	condition, err2 := c.Condition(`any(json.items, .id == user) or json.count > 3 and json.status matches "^c"`)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			env := environment(200, order)
			for range 200 {
				if got, err := template.Append(nil, env); err != nil || string(got) != `3: 12345678901234 ["A","B"]` {
					t.Errorf("got %s, %v", got, err)
				}
				if got, err := condition.Holds(env); !got || err != nil {
					t.Errorf("got %v, %v, want true", got, err)
				}
			}
		})
	}
	wait.Wait()
}

func TestAllocations(t *testing.T) {
	c := compiler()
	env := environment(201, payment)
	template, err1 := c.URL(`/payments/${id}?card=${cards.number}`)
	status, err2 := c.Condition(`status == 201`)
	state, err3 := c.Condition(`json.status == "created"`)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	buffer := make([]byte, 0, 100)
	for _, test := range []struct {
		what string
		most float64
		do   func() error
	}{
		{"a template", 0, func() (err error) { _, err = template.Append(buffer, env); return err }},
		{"a condition on the status", 0, func() error { _, err := status.Holds(env); return err }},
		{"a condition on a member", 1, func() error { _, err := state.Holds(env); return err }},
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := test.do(); err != nil {
				t.Error(err)
			}
		})
		if n > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.what, n, test.most)
		}
	}
}
