package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

const (
	stateSchema = "tidegauge.alerts/v1"
	// heardWithin is how long a process that has just begun waits for an alert that fired before to fire again.
	heardWithin = 5 * time.Minute
)

// state is what webhooks have been told: unlike an Alertmanager they are told once that something fires, and once that it does
// not any more, also when the process ended in between.
type state struct {
	mu    sync.Mutex
	file  string // empty: it is kept nowhere
	known map[string]*known
}

// stored is the form of the file.
type stored struct {
	Schema    string                      `json:"schema"`
	Receivers map[string]map[string]Alert `json:"receivers"` // that fire, by name and fingerprint
}

func openState(file string) (*state, error) {
	s := &state{file: file, known: map[string]*known{}}
	if file == "" {
		return s, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var was stored
	if err == nil {
		err = json.Unmarshal(b, &was)
	}
	if err == nil && was.Schema != stateSchema {
		err = fmt.Errorf("its schema is %q, this version reads %q", was.Schema, stateSchema)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what receivers have been told of alerts in %s: %w; without the file they are told again", file, err)
	}
	until := time.Now().Add(heardWithin)
	for name, firing := range was.Receivers {
		k := s.of(name)
		for key, a := range firing {
			a.EndsAt = until
			k.firing[key] = a
		}
	}
	return s, nil
}

// of returns what a receiver knows.
func (s *state) of(name string) *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[name] == nil {
		s.known[name] = &known{state: s, firing: map[string]Alert{}}
	}
	return s.known[name]
}

// save writes the file; s.mu is held.
func (s *state) save() error {
	if s.file == "" {
		return nil
	}
	now := stored{Schema: stateSchema, Receivers: map[string]map[string]Alert{}}
	for name, k := range s.known {
		if len(k.firing) > 0 {
			now.Receivers[name] = k.firing
		}
	}
	b, err := json.MarshalIndent(now, "", "  ")
	if err == nil {
		err = renameio.WriteFile(s.file, append(b, '\n'), 0o600, renameio.WithTempDir(filepath.Dir(s.file)))
	}
	if err != nil {
		return fmt.Errorf("keeping what receivers have been told of alerts: %w", err)
	}
	return nil
}

// known is what one webhook has been told that fires.
type known struct {
	state  *state
	firing map[string]Alert // guarded by state.mu
}

// news returns the alerts that the webhook does not know to be as they are. What is over without that it was told of it is news
// only if it waits to be told.
func (k *known) news(alerts []Alert, waits func(key string) bool) (all []Alert) {
	k.state.mu.Lock()
	defer k.state.mu.Unlock()
	for _, a := range alerts {
		key := a.fingerprint()
		before, fires := k.firing[key]
		switch {
		case fires && !a.Resolved:
			before.EndsAt = a.EndsAt
			k.firing[key] = before
		case fires || !a.Resolved || waits(key):
			all = append(all, a)
		}
	}
	return all
}

// over returns the alerts of which nothing has been heard for so long that they are over.
func (k *known) over(now time.Time) (all []Alert) {
	k.state.mu.Lock()
	defer k.state.mu.Unlock()
	for _, a := range k.firing {
		if a.EndsAt.Before(now) {
			a.Resolved = true
			all = append(all, a)
		}
	}
	return all
}

// told notes what the webhook knows now.
func (k *known) told(keys []string, alerts map[string]Alert) error {
	k.state.mu.Lock()
	defer k.state.mu.Unlock()
	for _, key := range keys {
		if a := alerts[key]; a.Resolved {
			delete(k.firing, key)
		} else {
			k.firing[key] = a
		}
	}
	return k.state.save()
}
