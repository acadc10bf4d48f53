package user

import (
	"encoding/base64"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/feed"
	"tidegauge/engine/measure"
	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
	"tidegauge/engine/trace"
	"tidegauge/engine/value"
)

// task is a task with everything that can be known before it runs.
type task struct {
	name   string
	weight int
	steps  []step
	data   []dataset // that it mentions
	flow   bool      // it has more than one request
}

type dataset struct {
	name string
	feed *feed.Feed
}

// step is a request, or else a pause.
type step struct {
	condition *value.Condition // nil: always
	pause     *plan.Wait
	request   *request
}

type request struct {
	index       int // into the names
	method      string
	base        string // of the URL, where that is a path
	url         text
	fields      []field
	constant    []protocol.Field // the header, if nothing in it changes
	body        text
	hasBody     bool
	bytes       []byte // the body, if it does not change
	timeout     time.Duration
	ignoreBody  bool
	readsStatus bool
	untraced    bool // the plan has a traceparent for it
	checks      []check
	extract     []plan.Extract
}

// text is a template, or what it always gives.
type text struct {
	constant string
	template *value.Template // nil: constant
}

func newText(t *value.Template) text {
	if s, ok := t.Constant(); ok {
		return text{constant: s}
	}
	return text{template: t}
}

func (t text) append(b []byte, env *value.Env) ([]byte, error) {
	if t.template == nil {
		return append(b, t.constant...), nil
	}
	return t.template.Append(b, env)
}

// field is a header field. Its value is prefix and value; with basic set, that of Basic authentication.
type field struct {
	name, prefix string
	value        text
	basic        bool
	password     text
}

func (f *field) dynamic() bool { return f.value.template != nil || f.password.template != nil }

// append appends the field's value.
func (f *field) append(b []byte, env *value.Env) ([]byte, error) {
	b = append(b, f.prefix...)
	start := len(b)
	b, err := f.value.append(b, env)
	if err != nil || !f.basic {
		return b, err
	}
	if b, err = f.password.append(append(b, ':'), env); err != nil {
		return b, err
	}
	plain := slices.Clone(b[start:])
	return base64.StdEncoding.AppendEncode(b[:start], plain), nil
}

type check struct {
	index     int // into the names
	name      string
	condition *value.Condition
}

// builder turns the plan's classes into ours.
type builder struct {
	target *plan.Target
	names  *measure.Names
	data   []plan.Data
	feeds  map[string]*feed.Feed
}

func (b *builder) class(p *plan.UserClass) (class, error) {
	c := class{weight: p.Weight, fixed: max(p.Fixed, 0), wait: p.Wait}
	index := len(b.names.Classes)
	b.names.Classes = append(b.names.Classes, p.Name)
	for i := range p.Tasks {
		t, err := b.task(index, &p.Tasks[i])
		if err != nil {
			return c, err
		}
		c.tasks = append(c.tasks, t)
		c.total += t.weight
	}
	return c, nil
}

func (b *builder) task(class int, p *plan.Task) (task, error) {
	t := task{name: p.Name, weight: p.Weight}
	words := strings.Join(texts(b.target, p), "\n")
	requests := 0
	for i := range p.Steps {
		s := &p.Steps[i]
		st := step{condition: s.If, pause: s.Wait}
		if s.Request != nil {
			st.request = b.request(class, s.Request)
			t.flow = t.flow || requests > 0
			requests++
			st.request.ignoreBody = !mentions(words, "body") && !mentions(words, "json")
		}
		t.steps = append(t.steps, st)
	}
	for _, d := range b.data {
		if !mentions(words, d.Name) {
			continue
		}
		f := b.feeds[d.Name]
		if f == nil {
			var err error
			if f, err = feed.Open(feed.Options{Name: d.Name, File: d.File, Format: d.Format, Order: d.Order}); err != nil {
				return t, err
			}
			b.feeds[d.Name] = f
		}
		t.data = append(t.data, dataset{d.Name, f})
	}
	return t, nil
}

func (b *builder) request(class int, p *plan.Request) *request {
	r := &request{
		index:   b.number(measure.Request{Class: b.names.Classes[class], Name: p.Name, Method: p.Method}),
		method:  p.Method,
		base:    strings.TrimRight(b.target.BaseURL, "/"),
		url:     newText(p.URL),
		timeout: p.Timeout,
		extract: p.Extract,
	}
	if r.timeout == 0 {
		r.timeout = b.target.Timeout
	}
	if r.url.template == nil {
		r.url.constant = string(join(nil, r.base, r.url.constant))
	}
	for _, c := range p.Checks {
		r.readsStatus = r.readsStatus || c.Condition.ReadsStatus()
		r.checks = append(r.checks, check{b.check(r.index, c.Name), c.Name, c.Condition})
	}
	if p.Body != nil {
		r.hasBody, r.body = true, newText(p.Body)
		if r.body.template == nil {
			r.bytes = []byte(r.body.constant)
		}
	}
	b.header(r, p)
	return r
}

// header collects the fields of a request: the target's, then its own, which replace those with the same name.
func (b *builder) header(r *request, p *plan.Request) {
	add := func(h *plan.Header) {
		r.fields = append(r.fields, field{name: h.Name, value: newText(h.Value)})
	}
	for i := range b.target.Headers {
		h := &b.target.Headers[i]
		if !slices.ContainsFunc(p.Headers, func(own plan.Header) bool { return strings.EqualFold(own.Name, h.Name) }) {
			add(h)
		}
	}
	for i := range p.Headers {
		add(&p.Headers[i])
	}
	has := func(name string) bool {
		return slices.ContainsFunc(r.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	}
	r.untraced = has(trace.Header)
	auth := p.Auth
	if auth == nil && !has("Authorization") {
		auth = b.target.Auth
	}
	switch {
	case auth == nil:
	case auth.Token != nil:
		r.fields = append(r.fields, field{name: "Authorization", prefix: "Bearer ", value: newText(auth.Token)})
	case auth.User != nil && auth.Password != nil:
		r.fields = append(r.fields, field{name: "Authorization", prefix: "Basic ", value: newText(auth.User), basic: true, password: newText(auth.Password)})
	}
	if p.ContentType != "" && !has("Content-Type") {
		r.fields = append(r.fields, field{name: "Content-Type", value: text{constant: p.ContentType}})
	}
	dynamic := false
	for i := range r.fields {
		dynamic = dynamic || r.fields[i].dynamic()
	}
	if dynamic {
		return
	}
	for i := range r.fields {
		v, _ := r.fields[i].append(nil, nil) // constants cannot fail
		r.constant = append(r.constant, protocol.Field{Name: r.fields[i].name, Value: string(v)})
	}
	r.fields = nil
}

// number returns the index of a request in the names, new or not.
func (b *builder) number(r measure.Request) int {
	if i := slices.Index(b.names.Requests, r); i >= 0 {
		return i
	}
	b.names.Requests = append(b.names.Requests, r)
	return len(b.names.Requests) - 1
}

func (b *builder) check(request int, name string) int {
	c := measure.Check{Request: request, Name: name}
	if i := slices.Index(b.names.Checks, c); i >= 0 {
		return i
	}
	b.names.Checks = append(b.names.Checks, c)
	return len(b.names.Checks) - 1
}

// texts returns everything a task evaluates, as written.
func texts(target *plan.Target, t *plan.Task) []string {
	var all []string
	add := func(templates ...*value.Template) {
		for _, one := range templates {
			if one != nil {
				all = append(all, one.String())
			}
		}
	}
	auth := func(a *plan.Auth) {
		if a != nil {
			add(a.User, a.Password, a.Token)
		}
	}
	auth(target.Auth)
	for _, h := range target.Headers {
		add(h.Value)
	}
	for _, s := range t.Steps {
		if s.If != nil {
			all = append(all, s.If.String())
		}
		r := s.Request
		if r == nil {
			continue
		}
		add(r.URL, r.Body)
		auth(r.Auth)
		for _, h := range r.Headers {
			add(h.Value)
		}
		for _, c := range r.Checks {
			all = append(all, c.Condition.String())
		}
		for _, x := range r.Extract {
			all = append(all, x.From.String())
		}
	}
	return all
}

// join appends the URL made of a base without a slash at its end and a path, which may be a URL itself.
func join(b []byte, base, path string) []byte {
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return append(b, path...)
	}
	b = append(b, base...)
	if path != "" && path[0] != '/' && path[0] != '?' {
		b = append(b, '/')
	}
	return append(b, path...)
}

// dialer returns what makes HTTP clients for a target.
func dialer(t *plan.Target, permit func(string) error) (func() (protocol.Client, error), error) {
	config, err := web.TLS{
		CAFile: t.TLS.CAFile, CertFile: t.TLS.CertFile, KeyFile: t.TLS.KeyFile,
		ServerName: t.TLS.ServerName, InsecureSkipVerify: t.TLS.InsecureSkipVerify,
	}.Config()
	if err != nil {
		return nil, err
	}
	agent := "tidegauge/devel"
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		agent = "tidegauge/" + info.Main.Version
	}
	o := web.Options{TLS: config, Redirects: t.Redirects, MaxResponseBytes: t.MaxResponseBytes, UserAgent: agent, Permit: permit}
	return func() (protocol.Client, error) { return web.New(o), nil }, nil
}
