package plan

import (
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
	"tidegauge/engine/value"
)

// methods are the keys of a step that make it a request.
var methods = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// maxBodyFile is how large a body from a file may be.
const maxBodyFile = 64 << 20

// steps reads a flow. What a step extracts is known to those after it.
func (d *decoder) steps(n node, names value.Names) []Step {
	names = maps.Clone(names)
	var steps []Step
	for _, item := range d.Items(n, "steps") {
		b := d.newStep(item, names)
		found, known := d.Mapping(item, "a step", b.fields()...)
		b.finish(found, known)
		steps = append(steps, b.step)
	}
	return steps
}

// stepBuilder gathers the parts of a step.
type stepBuilder struct {
	d       *decoder
	n       node
	names   value.Names // what expressions may use; gets what the step extracts
	step    Step
	request *Request
	url     node
	params  value.Object
	methods []string
}

func (d *decoder) newStep(n node, names value.Names) *stepBuilder {
	return &stepBuilder{
		d: d, n: n, names: names,
		step: Step{Pos: d.Pos(n)}, request: &Request{Pos: d.Pos(n)},
	}
}

// fields is the table of the keys of a step. Extractions come last, so that nothing else of the step can use them.
func (b *stepBuilder) fields() []document.Field {
	d, r := b.d, b.request
	var fields []document.Field
	for _, m := range methods {
		fields = append(fields, document.Key(m, func(n node) {
			b.methods = append(b.methods, m)
			b.url, r.Method = n, strings.ToUpper(m)
		}))
	}
	return append(fields,
		document.Key("name", document.Into(&r.Name, d.name)),
		document.Key("params", func(n node) { b.params = d.pairs(n, "query parameters") }),
		document.Key("headers", func(n node) { r.Headers = d.headers(n, b.names) }),
		document.Key("json", b.json),
		document.Key("form", b.form),
		document.Key("body", func(n node) { r.Body = d.template(n, b.names) }),
		document.Key("body_file", b.bodyFile),
		document.Key("auth", func(n node) { r.Auth = d.auth(n, b.names) }),
		document.Key("timeout", document.Into(&r.Timeout, d.Positive)),
		document.Key("check", func(n node) { r.Checks = d.checks(n, b.names) }),
		document.Key("if", func(n node) { b.step.If = d.condition(n, b.names) }),
		document.Key("wait", func(n node) {
			if w, ok := d.pause(n); ok {
				b.step.Wait = &w
			}
		}),

		document.Key("extract", func(n node) { r.Extract = d.extract(n, b.names) }),
	)
}

// finish checks what belongs together and completes the step.
func (b *stepBuilder) finish(found map[string]member, known bool) {
	d, r := b.d, b.request
	if wait, ok := found["wait"]; ok {
		for _, key := range slices.Sorted(maps.Keys(found)) {
			if key != "wait" && key != "if" {
				d.Wrong(found[key].Key, "%s is given beside wait in line %d, expected a step of its own: a step is a request or a wait", key, d.Pos(wait.Key).Line)
			}
		}
		return
	}
	b.step.Request = r
	if only := d.ExactlyOne(b.n, found, known, methods...); only == "" {
		d.nameless = true
		return
	}
	d.AtMostOne(found, "json", "form", "body", "body_file")
	r.Pos = d.Pos(found[b.methods[0]].Key)
	d.requests[r] = found[b.methods[0]].Key
	b.finishURL(found)
}

// finishURL compiles the URL with the query parameters, and names the request if the plan does not.
func (b *stepBuilder) finishURL(found map[string]member) {
	d, r := b.d, b.request
	path, ok := d.Scalar(b.url, "a path such as /payments/${id}")
	if _, named := found["name"]; !named && ok {
		r.Name = r.Method + " " + path
		if err := checkName(r.Name); err != nil {
			d.Wrong(b.url, "%v; give the request a name", err)
		}
	}
	if r.Name == "" {
		d.nameless = true
	}
	if !ok {
		return
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "http://") && !strings.HasPrefix(path, "https://") && !strings.HasPrefix(path, "${") {
		d.Wrong(b.url, "%s does not begin with /, expected a path such as /payments/${id}, or a whole URL", document.Describe(b.url))
		return
	}
	compiler := d.compiler(b.names)
	var err error
	if r.URL, err = compiler.URL(path); err != nil {
		d.Expression(b.url, err)
		return
	}
	eachPart(path, func(text string, literal bool) {
		if literal && strings.Contains(text, "#") {
			d.Wrong(b.url, "%s has a fragment, which is never sent, expected none, or %%23 for the character itself", document.Describe(b.url))
		}
	})
	if _, err := compiler.Form(b.params); err != nil {
		d.Expression(found["params"].Value, err)
	} else if r.URL, err = compiler.URL(withQuery(path, b.params)); err != nil {
		d.Expression(b.url, err)
	}
}

func (b *stepBuilder) json(n node) {
	t, err := b.d.compiler(b.names).JSON(b.d.jsonValue(n))
	if err != nil {
		b.d.Expression(n, err)
	}
	b.request.Body, b.request.ContentType = t, "application/json"
}

func (b *stepBuilder) form(n node) {
	t, err := b.d.compiler(b.names).Form(b.d.pairs(n, "form fields"))
	if err != nil {
		b.d.Expression(n, err)
	}
	b.request.Body, b.request.ContentType = t, "application/x-www-form-urlencoded"
}

// bodyFile reads a body that is sent as it is: a file may be of any kind, and ${ means nothing in it.
func (b *stepBuilder) bodyFile(n node) {
	path, ok := b.d.FileName(n)
	if !ok {
		return
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxBodyFile {
		b.d.Wrong(n, "%s has %d bytes, expected at most %d", path, info.Size(), maxBodyFile)
		return
	}
	body, err := os.ReadFile(path)
	if err != nil {
		b.d.Wrong(n, "reading the body: %s", document.OneLine(err.Error()))
		return
	}
	t, err := b.d.compiler(nil).Template(strings.ReplaceAll(string(body), "${", "$${"))
	if err != nil {
		b.d.Expression(n, err)
	}
	b.request.Body = t
}

// jsonValue turns YAML into what the compiler of JSON bodies takes; texts remember their place.
func (d *decoder) jsonValue(n node) any {
	switch n.Kind {
	case yaml.MappingNode:
		members, _ := d.Members(n, "a mapping")
		object := make(value.Object, len(members))
		for i, m := range members {
			object[i] = value.Member{Key: m.Key.Value, Value: d.jsonValue(m.Value), At: m.Key}
		}
		return object
	case yaml.SequenceNode:
		all := make([]any, len(n.Content))
		for i, c := range n.Content {
			all[i] = d.jsonValue(document.Follow(c, document.Indexed(n.Path, i)))
		}
		return all
	}
	return d.jsonScalar(n)
}

func (d *decoder) jsonScalar(n node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if n.Decode(&v) == nil {
			return v
		}
	case "!!int":
		var v int64
		if n.Decode(&v) == nil {
			return v
		}
		var u uint64
		if n.Decode(&u) == nil {
			return u
		}
	case "!!float":
		var v float64
		if n.Decode(&v) == nil {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				d.Wrong(n, "%s has no form in JSON, expected a finite number, or text in quotes", document.Describe(n))
				return nil
			}
			return v
		}
	}
	return value.Text{S: n.Value, At: n}
}

// pairs reads names with texts, or lists of texts.
func (d *decoder) pairs(n node, what string) value.Object {
	members, _ := d.Members(n, "a mapping of "+what)
	pairs := make(value.Object, 0, len(members))
	one := func(n node) value.Text {
		text, _ := d.Scalar(n, "text or a number")
		return value.Text{S: text, At: n}
	}
	for _, m := range members {
		pair := value.Member{Key: m.Key.Value, At: m.Key}
		if m.Value.Kind == yaml.SequenceNode {
			var all []any
			for _, item := range d.Items(m.Value, "texts") {
				all = append(all, one(item))
			}
			pair.Value = all
		} else {
			pair.Value = one(m.Value)
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

func (d *decoder) condition(n node, names value.Names) *value.Condition {
	text, ok := d.Scalar(n, "a condition such as status == 200")
	if !ok {
		return nil
	}
	c, err := d.compiler(names).Condition(text)
	if err != nil {
		d.Expression(n, err)
		return nil
	}
	return c
}

func (d *decoder) checks(n node, names value.Names) []Check {
	var checks []Check
	for _, item := range d.Items(n, "conditions such as status == 200") {
		if item.Kind != yaml.MappingNode {
			c := Check{Pos: d.Pos(item), Condition: d.condition(item, names)}
			if c.Name = document.OneLine(item.Value); c.Condition != nil && len(c.Name) > maxName {
				d.Wrong(item, "the condition has more than %d bytes, expected a name before it: a name: %s", maxName, document.Shorten(c.Name))
			}
			checks = append(checks, c)
			continue
		}
		members, _ := d.Members(item, "a condition under its name")
		for _, m := range members {
			d.keyName(m.Key)
			checks = append(checks, Check{Pos: d.Pos(m.Key), Name: m.Key.Value, Condition: d.condition(m.Value, names)})
		}
	}
	return checks
}

// extract reads what later steps may use, and makes it known. A name is known even if there is a mistake in what it stands
// for, so that the steps that use it have none.
func (d *decoder) extract(n node, names value.Names) []Extract {
	members, _ := d.Members(n, "a mapping of names to parts of the answer: {id: json.id}")
	extracts := make([]Extract, 0, len(members))
	for _, m := range members {
		name := m.Key.Value
		if err := value.CheckName(name); err != nil {
			d.Wrong(m.Key, "%s", document.OneLine(err.Error()))
		} else if names[name] != nil {
			d.Wrong(m.Key, "%s is the name of a data set, expected another", document.Quoted(name))
			continue
		}
		x := Extract{Pos: d.Pos(m.Key), Name: name}
		if text, ok := d.Scalar(m.Value, "a part of the answer such as json.id"); ok {
			from, err := d.compiler(names).Extractor(text)
			if err != nil {
				d.Expression(m.Value, err)
			}
			x.From = from
		}
		extracts = append(extracts, x)
	}
	for i := range extracts {
		names[extracts[i].Name] = nil
	}
	return extracts
}
