package config

import (
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
	"tidegauge/exporters/announce"
)

// announcements reads webhooks: one or a list of them, each a mapping.
func (d *decoder) announcements(n node) []announce.Hook {
	items := []node{n}
	if n.Kind == yaml.SequenceNode {
		items = d.Items(n, "webhooks such as {url: \"https://hooks.example.com/tidegauge\"}")
	}
	var all []announce.Hook
	for _, item := range items {
		all = append(all, d.announcement(item))
	}
	return all
}

func (d *decoder) announcement(n node) announce.Hook {
	h := announce.Hook{Form: announce.JSON, On: announce.Always}
	address := func(into *string, check func(string) error) func(node) {
		return func(n node) {
			text, ok := d.text(n)
			if !ok {
				return
			}
			if err := check(text); err != nil {
				d.Wrong(n, "%v", err)
				return
			}
			*into = text
		}
	}
	found, known := d.Mapping(n, "a webhook",
		document.Key("url", address(&h.URL, announce.CheckURL)),
		document.Key("format", func(n node) {
			if word, ok := d.Choice(n, "format", []string{string(announce.JSON), string(announce.Slack)}); ok {
				h.Form = announce.Form(word)
			}
		}),
		document.Key("when", func(n node) {
			if word, ok := d.Choice(n, "condition", []string{string(announce.Always), string(announce.Failed), string(announce.Changed)}); ok {
				h.On = announce.Condition(word)
			}
		}),
		document.Key("secret", document.Into(&h.Secret, d.text)),
		document.Key("secret_file", document.Into(&h.Secret, d.secretFile)),
		document.Key("link", address(&h.Link, func(text string) error {
			if err := announce.CheckURL(text); err != nil || !strings.Contains(text, "{run}") {
				return fmt.Errorf("expected a URL with {run} in it for the run's id, such as https://load.example.com/tidegauge/v1/runs/{run}/report.html")
			}
			return nil
		})),
	)
	if _, ok := found["url"]; !ok && known {
		d.Wrong(n, "url is missing, expected where to announce: {url: \"https://hooks.example.com/tidegauge\"}")
	}
	d.AtMostOne(found, "secret", "secret_file")
	return h
}

// secretFile reads a secret from a file; white space around it is none of it.
func (d *decoder) secretFile(n node) (string, bool) {
	name, ok := d.FileName(n)
	if !ok {
		return "", false
	}
	text, err := os.ReadFile(name)
	if err != nil {
		d.Wrong(n, "reading the secret: %v", err)
		return "", false
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		d.Wrong(n, "the file is empty, expected a secret in it")
	}
	return secret, secret != ""
}
