package config

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/alert"
	"tidegauge/engine/document"
)

// Alerting says which rules a daemon evaluates, and who is told of alerts.
type Alerting struct {
	Rules     alert.Rules
	Interval  time.Duration // of every group; 0: its own
	Receivers []alert.Receiver
	URL       string // of the daemon, as receivers are to see it; empty: where it listens
}

// rules reads the key rules.
func (d *decoder) rules(n node, a *Alerting) {
	not := func(into *bool) func(node) {
		return func(n node) {
			if yes, ok := d.Boolean(n); ok {
				*into = !yes
			}
		}
	}
	d.Mapping(n, "rules",
		document.Key("bundled", not(&a.Rules.NoBundled)),
		document.Key("plans", not(&a.Rules.NoPlans)),
		document.Key("interval", document.Into(&a.Interval, d.Positive)),
		document.Key("files", func(n node) {
			for _, item := range d.Items(n, "files of Prometheus rules, such as rules/*.yaml") {
				d.ruleFiles(item, a)
			}
		}),
	)
}

// ruleFiles reads the name of a file or a pattern, and everything that is wrong in the files.
func (d *decoder) ruleFiles(n node, a *Alerting) {
	name, ok := d.text(n)
	if !ok {
		return
	}
	files, err := filepath.Glob(d.Resolve(name))
	switch {
	case err != nil:
		d.Wrong(n, "%s is no pattern of files: %v", document.Quoted(name), err)
	case len(files) == 0:
		d.Wrong(n, "there is no file %s", document.Quoted(name))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			d.Wrong(n, "%s", document.OneLine(err.Error()))
			continue
		}
		for _, err := range alert.Check(alert.Source{Name: file, Text: text}) {
			d.Wrong(n, "%s", document.OneLine(err.Error()))
		}
		if !slices.Contains(a.Rules.Files, file) {
			a.Rules.Files = append(a.Rules.Files, file)
		}
	}
}

// alerting reads the key alerting.
func (d *decoder) alerting(n node, a *Alerting) {
	receivers := func(kind alert.Kind) func(node) {
		return func(n node) {
			items := []node{n}
			if n.Kind == yaml.SequenceNode {
				items = d.Items(n, "addresses, or of mappings with url")
			}
			for _, item := range items {
				before := d.Count()
				r := d.receiver(item, kind)
				if d.Count() > before {
					continue
				}
				if slices.ContainsFunc(a.Receivers, func(x alert.Receiver) bool { return x.Name == r.Name }) {
					d.Wrong(item, "there is a receiver %s already, expected another name: {url: ..., name: ...}", document.Quoted(r.Name))
					continue
				}
				a.Receivers = append(a.Receivers, r)
			}
		}
	}
	d.Mapping(n, "alerting",
		document.Key("alertmanagers", receivers(alert.Alertmanager)),
		document.Key("webhooks", receivers(alert.Webhook)),
		document.Key("external_url", document.Into(&a.URL, d.httpURL)),
	)
}

func (d *decoder) receiver(n node, kind alert.Kind) alert.Receiver {
	r := alert.Receiver{Kind: kind}
	if n.Kind == yaml.ScalarNode {
		r.URL, _ = d.httpURL(n)
	} else {
		fields := []document.Field{
			document.Key("url", document.Into(&r.URL, d.httpURL)),
			document.Key("name", document.Into(&r.Name, d.text)),
			document.Key("token", document.Into(&r.Token, d.text)),
			document.Key("headers", func(n node) {
				r.Headers, _ = d.texts(n)
				for name := range r.Headers {
					if !validHeader(name) {
						d.Wrong(n, "%s is no name of a header", document.Quoted(name))
					}
				}
			}),
		}
		found, known := d.Mapping(n, "a receiver of alerts", fields...)
		if _, ok := found["url"]; known && !ok {
			d.Wrong(n, "url is missing, expected where the receiver is: {url: \"http://HOST:PORT\"}")
		}
	}
	if u, err := url.Parse(r.URL); r.Name == "" && err == nil {
		r.Name = u.Host
		if kind == alert.Webhook {
			r.Name += u.Path
		}
	}
	return r
}

func validHeader(name string) bool {
	return name != "" && http.CanonicalHeaderKey(name) != "Host" && !slices.ContainsFunc([]rune(name), func(r rune) bool { return r <= ' ' || r == ':' || r > '~' })
}

// httpURL reads where something answers. It is not repeated in mistakes, since it can have a secret in it.
func (d *decoder) httpURL(n node) (string, bool) {
	text, ok := d.Constant(n, "a URL")
	if !ok {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		d.Wrong(n, "this is no URL, expected http://HOST:PORT/... or https://...")
		return "", false
	}
	return text, true
}
