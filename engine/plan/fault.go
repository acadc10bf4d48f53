package plan

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

// Fault is something that is broken for a while: exactly one of TCP, HTTP and Hook.
type Fault struct {
	Pos     Pos
	Name    string        // what is done; given, or made of the keys: "cut", "status 503"
	Proxy   string        // the proxy's name; of a hook empty
	At, For time.Duration // from the start of the run
	TCP     *TCPFault
	HTTP    *HTTPFault
	Hook    *Hook
}

// End returns when it is over, from the start of the run.
func (f *Fault) End() time.Duration { return f.At + f.For }

// TCPFault is what is done to connections: exactly one thing, Jitter beside Latency apart.
type TCPFault struct {
	Cut, Reset, BlackHole bool
	Latency, Jitter       time.Duration
	Bandwidth             int64 // bytes a second of each connection
	SlowClose             time.Duration
	LimitBytes            int64 // of each connection
	MaxConnections        int
	Upstream              bool    // done to what the service sends, not to what it gets
	Share                 float64 // of the connections, more than 0 and at most 1
}

// HTTPFault is what is done to requests. Delay can come before any of the others, or be all.
type HTTPFault struct {
	Delay      time.Duration
	Status     int           // answered instead of forwarding; 0: it is forwarded
	RetryAfter time.Duration // beside Status; 0: the header is left out
	Abort      bool          // the answer's body ends in the middle
	Malformed  bool          // the answer's body is not what its header says
	Method     string        // of the requests; empty: any
	Path       string        // of the requests, with * for any text; empty: any
	Share      float64       // of the requests, more than 0 and at most 1
}

// Hook is something that is done outside, and undone: a command, or a POST to a URL. Whoever runs the plan has to allow it.
type Hook struct {
	Command, Undo  []string // program and arguments; no shell. Undo may be empty
	Post, UndoPost string
	Timeout        time.Duration // of each
}

// DefaultHookTimeout is how long a hook may take where the plan does not say.
const DefaultHookTimeout = 10 * time.Second

// The keys of a fault by what it is done to. Those not here belong to all.
const (
	tcpKeys  = "cut reset black_hole latency jitter bandwidth slow_close limit_bytes max_connections direction"
	httpKeys = "delay status retry_after abort malformed method path"
	hookKeys = "undo timeout"
)

func (d *decoder) faults(n node, p *Plan) []Fault {
	items := d.Items(n, "faults, such as {at: 1m, for: 20s, tcp: database, cut: true}")
	all := make([]Fault, 0, len(items))
	for _, item := range items {
		before := d.Count()
		f := d.fault(item, p)
		if d.Count() > before {
			continue
		}
		for i := range all {
			if why := all[i].conflict(&f); why != "" {
				d.Wrong(item, "the fault overlaps with the one in line %d, %s, expected it before or after that", all[i].Pos.Line, why)
			}
		}
		all = append(all, f)
	}
	return all
}

func (d *decoder) fault(n node, p *Plan) Fault {
	f := Fault{Pos: d.Pos(n)}
	c, h, k := &TCPFault{Share: 1}, &HTTPFault{Share: 1}, &Hook{Timeout: DefaultHookTimeout}
	share := 1.0
	direction := ""
	var undo node
	found, known := d.Mapping(n, "a fault",
		document.Key("at", document.Into(&f.At, d.Duration)),
		document.Key("for", document.Into(&f.For, d.Positive)),
		document.Key("name", document.Into(&f.Name, d.name)),
		document.Key("share", document.Into(&share, document.Read(d.Decoder, document.RatioForm+", more than 0", parseShare))),

		document.Key("tcp", document.Into(&f.Proxy, d.proxyName(p, false))),
		document.Key("cut", document.Into(&c.Cut, d.Boolean)),
		document.Key("reset", document.Into(&c.Reset, d.Boolean)),
		document.Key("black_hole", document.Into(&c.BlackHole, d.Boolean)),
		document.Key("latency", document.Into(&c.Latency, d.milliseconds)),
		document.Key("jitter", document.Into(&c.Jitter, d.milliseconds)),
		document.Key("bandwidth", document.Into(&c.Bandwidth, document.Read(d.Decoder, bandwidthForm, parseBandwidth))),
		document.Key("slow_close", document.Into(&c.SlowClose, d.milliseconds)),
		document.Key("limit_bytes", document.Into(&c.LimitBytes, document.Read(d.Decoder, document.SizeForm+", more than 0", parseSomeSize))),
		document.Key("max_connections", document.Into(&c.MaxConnections, d.Whole(1, maxUsers))),
		document.Key("direction", document.Into(&direction, func(n node) (string, bool) {
			return d.Choice(n, "direction", []string{"downstream", "upstream"})
		})),

		document.Key("http", document.Into(&f.Proxy, d.proxyName(p, true))),
		document.Key("delay", document.Into(&h.Delay, d.Positive)),
		document.Key("status", document.Into(&h.Status, d.Whole(200, 599))),
		document.Key("retry_after", document.Into(&h.RetryAfter, d.Positive)),
		document.Key("abort", document.Into(&h.Abort, d.Boolean)),
		document.Key("malformed", document.Into(&h.Malformed, d.Boolean)),
		document.Key("method", document.Into(&h.Method, document.Read(d.Decoder, "a method such as POST", parseMethod))),
		document.Key("path", document.Into(&h.Path, document.Read(d.Decoder, "a path such as /notifications or /users/*, which begins with /", parsePath))),

		document.Key("command", document.Into(&k.Command, d.argv)),
		document.Key("post", document.Into(&k.Post, document.Read(d.Decoder, "a URL such as http://localhost:9000/break", parseHookURL))),
		document.Key("undo", func(n node) { undo = n }),
		document.Key("timeout", document.Into(&k.Timeout, d.Positive)),
	)
	if !known {
		return f
	}
	for _, key := range []string{"at", "for"} {
		if _, ok := found[key]; !ok {
			d.Wrong(n, "%s is missing, expected when the fault begins and how long it lasts: at: 1m, for: 20s", key)
		}
	}
	switch d.ExactlyOne(n, found, known, "tcp", "http", "command", "post") {
	case "tcp":
		d.foreign(found, "tcp", tcpKeys)
		c.Upstream, c.Share = direction == "upstream", share
		f.TCP = c
		d.tcpFault(n, found, &f, p)
	case "http":
		d.foreign(found, "http", httpKeys)
		h.Share = share
		f.HTTP = h
		d.httpFault(n, found, &f)
	case "command":
		d.foreign(found, "command", hookKeys)
		d.meaningless(found, "a command is run or not", "share")
		if undo.Node != nil {
			document.Into(&k.Undo, d.argv)(undo)
		}
		f.Hook = k
	case "post":
		d.foreign(found, "post", hookKeys)
		d.meaningless(found, "a request is made or not", "share")
		if undo.Node != nil {
			document.Into(&k.UndoPost, document.Read(d.Decoder, "a URL such as http://localhost:9000/mend", parseHookURL))(undo)
		}
		f.Hook = k
	}
	if f.Name == "" {
		f.Name = f.describe()
	}
	return f
}

// foreign reports keys that belong to another kind of fault.
func (d *decoder) foreign(found map[string]member, kind, own string) {
	for _, other := range []struct{ kind, keys string }{{"tcp", tcpKeys}, {"http", httpKeys}, {"command or post", hookKeys}} {
		if other.keys == own {
			continue
		}
		for key := range strings.FieldsSeq(other.keys) {
			if m, ok := found[key]; ok {
				d.Wrong(m.Key, "%s belongs to faults of %s, and this one is of %s, expected only keys of one kind: %s", key, other.kind, kind, document.List(strings.Fields(own)))
			}
		}
	}
}

func (d *decoder) tcpFault(n node, found map[string]member, f *Fault, p *Plan) {
	c := f.TCP
	for key, given := range map[string]bool{"cut": c.Cut, "reset": c.Reset, "black_hole": c.BlackHole} {
		if m, ok := found[key]; ok && !given && m.Value.Value == "false" {
			d.Wrong(m.Value, "%s: false breaks nothing, expected true, or another fault", key)
		}
	}
	kind := d.ExactlyOne(n, found, true, "cut", "reset", "black_hole", "latency", "bandwidth", "slow_close", "limit_bytes", "max_connections")
	if j, ok := found["jitter"]; ok {
		switch {
		case kind != "latency":
			d.Wrong(j.Key, "jitter has no meaning without latency, expected both: latency: 200ms, jitter: 50ms")
		case c.Jitter > c.Latency:
			d.Wrong(j.Value, "the jitter is more than the latency, expected at most %v", c.Latency)
		}
	}
	if kind == "cut" || kind == "max_connections" {
		d.meaningless(found, "all connections are concerned", "share", "direction")
	}
	i := slices.IndexFunc(p.Proxies, func(x Proxy) bool { return x.Name == f.Proxy })
	if kind == "max_connections" && i >= 0 && p.Proxies[i].Toxiproxy != "" {
		d.Wrong(found[kind].Key, "a toxiproxy server cannot limit connections, expected a proxy without toxiproxy")
	}
}

func (d *decoder) httpFault(n node, found map[string]member, f *Fault) {
	h := f.HTTP
	for key, given := range map[string]bool{"abort": h.Abort, "malformed": h.Malformed} {
		if m, ok := found[key]; ok && !given && m.Value.Value == "false" {
			d.Wrong(m.Value, "%s: false breaks nothing, expected true, or another fault", key)
		}
	}
	kind := d.AtMostOne(found, "status", "abort", "malformed")
	if _, delayed := found["delay"]; kind == "" && !delayed {
		d.Wrong(n, "status, delay, abort or malformed is missing, expected what is done to requests")
	}
	if r, ok := found["retry_after"]; ok && kind != "status" {
		d.Wrong(r.Key, "retry_after has no meaning without status, expected both: status: 429, retry_after: 2s")
	} else if ok && h.RetryAfter%time.Second != 0 {
		d.Wrong(r.Value, "the header Retry-After has whole seconds, expected such as 2s")
	}
}

// milliseconds reads a duration of whole milliseconds, at least one.
func (d *decoder) milliseconds(n node) (time.Duration, bool) {
	return document.Read(d.Decoder, document.DurationForm+", in whole milliseconds", func(s string) (time.Duration, error) {
		v, err := document.ParseDuration(s)
		if err == nil && (v < time.Millisecond || v%time.Millisecond != 0) {
			err = fmt.Errorf("%s is not in whole milliseconds", document.Quoted(s))
		}
		return v, err
	})(n)
}

func parseShare(s string) (float64, error) {
	v, err := document.ParseRatio(s)
	if err == nil && v == 0 {
		err = fmt.Errorf("%s is nothing", document.Quoted(s))
	}
	return v, err
}

func parseSomeSize(s string) (int64, error) {
	v, err := document.ParseSize(s)
	if err == nil && v == 0 {
		err = fmt.Errorf("%s is nothing", document.Quoted(s))
	}
	return v, err
}

const bandwidthForm = "a bandwidth such as 64kB/s or 1MiB/s, at least 1kB/s"

func parseBandwidth(s string) (int64, error) {
	size, ok := strings.CutSuffix(strings.ReplaceAll(s, " ", ""), "/s")
	if !ok {
		return 0, fmt.Errorf("%s is not a size per second", document.Quoted(s))
	}
	v, err := document.ParseSize(size)
	if err == nil && v < 1000 {
		err = fmt.Errorf("%s is too little", document.Quoted(s))
	}
	return v, err
}

func parseMethod(s string) (string, error) {
	if !isToken(s) || strings.ToUpper(s) != s {
		return "", fmt.Errorf("%s is no method", document.Quoted(s))
	}
	return s, nil
}

func parsePath(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#") {
		return "", fmt.Errorf("%s is no path", document.Quoted(s))
	}
	return s, nil
}

func parseHookURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", fmt.Errorf("%s is no URL", document.Quoted(s))
	}
	return s, nil
}

// argv reads the program and the arguments of a command.
func (d *decoder) argv(n node) ([]string, bool) {
	if n.Kind == yaml.ScalarNode {
		d.Wrong(n, "%s, expected a list of the program and its arguments, which no shell reads: [docker, stop, redis]", document.Describe(n))
		return nil, false
	}
	var words []string
	for _, item := range d.Items(n, "the program and its arguments") {
		if word, ok := d.Constant(item, "a word of a command"); ok {
			words = append(words, word)
		}
	}
	if len(words) > 0 && words[0] == "" {
		d.Wrong(n, "the program's name is empty, expected a program")
		return nil, false
	}
	return words, len(words) > 0
}
