// Package exporters opens the outlets that a command line or a configuration names.
package exporters

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
	"tidegauge/engine/trace"
	"tidegauge/exporters/prometheus"
)

// Options say which outlets there are.
type Options struct {
	Specs    []Spec
	Listen   string // where this process answers: no outlet may lead there; empty: nowhere
	Dir      string // for their cursors
	Store    *store.Store
	Instance string                      // of this machine, in the metrics of the outlets
	Version  string                      // of tidegauge
	Within   time.Duration               // how long a run waits at its end for what is still to be sent; default 10 s
	Settle   time.Duration               // how old samples are when they are sent; default 5 s
	Getenv   func(string) (string, bool) // for tokens
	Notify   func(text string)           // for people
}

// Outlets are outlets that are open.
type Outlets struct {
	*outlet.Set
	Spans  []*outlet.Queue[trace.Span] // of those that take spans; the Set runs them
	Events []*outlet.Queue[event.Event]
}

// Open opens outlets. It starts nothing and connects to nothing.
func Open(o Options) (*Outlets, error) {
	described, err := describeAll(o.Specs, o.Listen, o.Getenv, identity{o.Instance, o.Version})
	if err != nil {
		return nil, err
	}
	if err := handOn(&o, described); err != nil {
		return nil, err
	}
	all := &Outlets{}
	set := outlet.SetOptions{Store: o.Store, Instance: o.Instance, Within: o.Within, Notify: o.Notify, Kinds: map[string]string{}}
	for _, one := range described {
		set.Kinds[one.name] = one.spec.Kind
		to := outlet.NewDestination(one.name, o.Notify)
		if one.spec.Required {
			set.Required = append(set.Required, one.name)
		}
		if one.samples.Writer != nil {
			s := one.samples
			tail := o.Store.Tail()
			s.Name, s.To, s.File, s.Source, s.Late, s.Notify = one.name, to, one.file(o.Dir), tail, tail, o.Notify
			s.Settle = o.Settle
			if one.exemplars {
				s.Exemplars = o.Store
			}
			if w, ok := s.Writer.(*prometheus.Writer); ok && o.Notify != nil {
				w.Notify = func(text string) { o.Notify("outlet " + one.name + ": " + text) }
			}
			opened, err := outlet.New(s)
			if err != nil {
				return nil, err
			}
			set.Outlets = append(set.Outlets, opened)
		}
		if one.spans != nil {
			q, err := outlet.NewQueue(outlet.QueueOptions[trace.Span]{
				Name: one.name, To: to, Signal: outlet.Spans, Exporter: one.spans, File: one.queueFile(o.Dir, outlet.Spans), Timeout: one.timeout, Notify: o.Notify,
			})
			if err != nil {
				return nil, err
			}
			all.Spans, set.Queues = append(all.Spans, q), append(set.Queues, q)
		}
		if one.events != nil {
			q, err := outlet.NewQueue(outlet.QueueOptions[event.Event]{
				Name: one.name, To: to, Signal: outlet.Events, Exporter: one.events, File: one.queueFile(o.Dir, outlet.Events), Timeout: one.timeout, Notify: o.Notify,
			})
			if err != nil {
				return nil, err
			}
			all.Events, set.Queues = append(all.Events, q), append(set.Queues, q)
		}
	}
	all.Set, err = outlet.NewSet(set)
	return all, err
}

// fileOf returns a file name for a destination that a person recognises and that no other destination has. It does not
// depend on what the outlet is called.
func fileOf(name string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return readable[:min(60, len(readable))] + "-" + shortHash(name) + ".json"
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
