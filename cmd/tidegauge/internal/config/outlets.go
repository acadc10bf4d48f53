package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
	"tidegauge/exporters"
)

// outlets reads the outlets by kind: an address, a mapping, or a list of these.
func (d *decoder) outlets(n node, listen string) []exporters.Spec {
	var fields []document.Field
	var all []exporters.Spec
	for _, kind := range exporters.Kinds() {
		fields = append(fields, document.Key(kind, func(n node) {
			items := []node{n}
			if n.Kind == yaml.SequenceNode {
				items = d.Items(n, "addresses, or of mappings with address")
			}
			for _, item := range items {
				before := d.Count()
				spec := d.outlet(item, kind, listen)
				if d.Count() == before && d.fits(item, all, spec, listen) {
					all = append(all, spec)
				}
			}
		}))
	}
	d.Mapping(n, "outlets by kind", fields...)
	return all
}

// outlet reads one outlet.
func (d *decoder) outlet(n node, kind, listen string) exporters.Spec {
	at := d.Pos(n)
	s := exporters.Spec{Kind: kind, From: fmt.Sprintf("%s:%d:%d", d.File(), at.Line, at.Column)}
	if n.Kind == yaml.ScalarNode {
		s.Address, _ = d.Constant(n, "the address of the store")
		d.check(n, nil, s, listen)
		return s
	}
	values := url.Values{}
	fields := []document.Field{
		document.Key("address", document.Into(&s.Address, d.text)),
		document.Key("name", document.Into(&s.Name, d.text)),
		document.Key("token", document.Into(&s.Token, d.text)),
		document.Key("required", document.Into(&s.Required, d.Boolean)),
		document.Key("headers", func(n node) { d.headers(n, values) }),
	}
	options := exporters.OptionsOf(kind)
	for _, o := range options {
		read := d.text
		if o.File {
			read = d.FileName
		}
		fields = append(fields, document.Key(o.Name, func(n node) {
			if v, ok := read(n); ok {
				values.Set(o.Name, v)
			}
		}))
	}
	found, known := d.Mapping(n, "an outlet", fields...)
	address, err := url.Parse(s.Address)
	_, given := found["address"]
	whole := s.Address != "" || !given && !exporters.NeedsAddress(kind)
	if !given && !whole && known {
		d.Wrong(n, "address is missing, expected where the store is: {address: \"http://HOST:PORT/...\"}")
	}
	for _, o := range options {
		if _, ok := found[o.Name]; o.Needed && known && !ok && (err != nil || address.Query().Get(o.Name) == "") {
			d.Wrong(n, "%s is missing, expected the %s of the outlet", o.Name, o.Name)
			whole = false
		}
	}
	if err == nil {
		query := address.Query()
		maps.Copy(query, values)
		address.RawQuery = query.Encode()
		s.Address = address.String()
	}
	if !whole || err != nil { // its options are looked at all the same
		if whole {
			d.check(n, found, s, listen)
		}
		for _, o := range options {
			if o.Needed && !values.Has(o.Name) {
				values.Set(o.Name, "any")
			}
		}
		s.Address = somewhere + "?" + values.Encode()
		_, _ = d.checkOptions(n, found, s, "")
		return s
	}
	d.check(n, found, s, listen)
	return s
}

// text reads a text that is not empty; it is not repeated in mistakes, since it can be a secret.
func (d *decoder) text(n node) (string, bool) {
	text, ok := d.Constant(n, "text")
	if ok && text == "" {
		d.Wrong(n, "the text is empty, expected some, or the key left out")
		return "", false
	}
	return text, ok
}

func (d *decoder) headers(n node, values url.Values) {
	members, _ := d.Members(n, "a mapping of header names to texts")
	for _, m := range members {
		if v, ok := d.Constant(m.Value, "text"); ok {
			values.Set("header."+m.Key.Value, v)
		}
	}
}

// somewhere is an address that nothing is wrong with.
const somewhere = "http://store.invalid/any"

// check reports what is wrong with an outlet, each mistake at its key if there is one.
func (d *decoder) check(n node, found map[string]document.Member, s exporters.Spec, listen string) {
	rest, err := d.checkOptions(n, found, s, listen)
	if err == nil {
		return
	}
	at := n
	if m, ok := found["address"]; ok {
		at = m.Value
	}
	said := reason(err)
	if m, ok := found["address"]; ok && !strings.Contains(m.Value.Value, "?") { // then options that are keys are not part of it
		if _, query, ok := strings.Cut(rest.Address, "?"); ok {
			said = strings.ReplaceAll(said, "?"+query, "")
		}
	}
	d.Wrong(at, "%s", said)
	// It hides what is wrong with the options.
	if address, err := url.Parse(rest.Address); err == nil {
		rest.Address = somewhere + "?" + address.RawQuery
		_, _ = d.checkOptions(n, found, rest, "")
	}
}

// checkOptions reports every option of an outlet that is wrong, and returns the outlet without them, and what else is wrong with
// it.
func (d *decoder) checkOptions(n node, found map[string]document.Member, s exporters.Spec, listen string) (exporters.Spec, error) {
	for {
		err := exporters.Check([]exporters.Spec{s}, listen, d.options.Getenv)
		options := optionErrors(err)
		address, unreadable := url.Parse(s.Address)
		if len(options) == 0 || unreadable != nil {
			return s, err
		}
		query := address.Query()
		before := len(query)
		for _, e := range options {
			if m, ok := found[e.Option]; ok {
				d.Wrong(m.Value, "%v", document.OneLine(e.Err.Error()))
			} else {
				d.Wrong(n, "%s", document.OneLine(e.Error()))
			}
			query.Del(e.Option)
		}
		if len(query) == before { // they are in the environment
			return s, nil
		}
		address.RawQuery = query.Encode()
		s.Address = address.String()
	}
}

// fits reports mistakes that an outlet makes together with those before it.
func (d *decoder) fits(n node, before []exporters.Spec, s exporters.Spec, listen string) bool {
	err := exporters.Check(append(slices.Clip(before), s), listen, d.options.Getenv)
	if err != nil {
		d.Wrong(n, "%s", reason(err))
	}
	return err == nil
}

// reason returns what an error says, without that it is about an outlet.
func reason(err error) string {
	return strings.TrimPrefix(document.OneLine(err.Error()), exporters.ErrSpec.Error()+": ")
}

// optionErrors finds the errors of options in an error.
func optionErrors(err error) []*exporters.OptionError {
	if e, ok := err.(*exporters.OptionError); ok { //nolint:errorlint // the tree is walked here
		return []*exporters.OptionError{e}
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*exporters.OptionError
		for _, one := range several.Unwrap() {
			all = append(all, optionErrors(one)...)
		}
		return all
	}
	if inner := errors.Unwrap(err); inner != nil {
		return optionErrors(inner)
	}
	return nil
}
