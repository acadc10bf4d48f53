package outlet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Reaction is what becomes of samples that were not taken.
type Reaction int

// The reactions.
const (
	Retry    Reaction = iota // they are sent again
	Refused                  // they are sent again, but only a change of configuration will help: a token, a bucket, a certificate
	Rejected                 // they are not wanted: sent again in parts, and those that are rejected alone are lost
	Partial                  // Error.Lost of them are lost, the others have arrived
)

// Error is an answer of a destination.
type Error struct {
	Reaction Reaction
	After    time.Duration // not to be tried again before; 0: whenever
	Lost     int           // with Partial
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Books are the accounts of a lane, in samples or what Signal says: waiting before + produced = sent + lost + waiting.
type Books struct {
	Outlet        string            `json:"outlet"`
	Signal        string            `json:"signal,omitempty"`   // what is counted: spans, events; empty: samples
	Required      bool              `json:"required,omitempty"` // the run needs it complete
	WaitingBefore uint64            `json:"waiting_before"`     // when the accounts begin
	Produced      uint64            `json:"produced"`
	Sent          uint64            `json:"sent"` // and acknowledged
	Lost          uint64            `json:"lost"`
	Waiting       uint64            `json:"waiting"`
	LostBecause   map[string]uint64 `json:"lost_because,omitempty"` // how many by the first reasons; adds up to Lost
	Retries       uint64            `json:"retries"`
	Errors        uint64            `json:"errors"`
	LastError     string            `json:"last_error,omitempty"`
	LastErrorAt   time.Time         `json:"last_error_at,omitzero"`
	OldestSeconds float64           `json:"oldest_seconds"` // age of the oldest that waits; 0 without one
	Balanced      bool              `json:"balanced"`
}

// Items returns what is counted, in words.
func (b *Books) Items() string {
	if b.Signal == "" {
		return "samples"
	}
	return b.Signal
}

// quantity says how much is waiting.
func (b *Books) quantity() string {
	if b.Waiting == 1 {
		return "1 " + strings.TrimSuffix(b.Items(), "s")
	}
	return fmt.Sprintf("%d %s", b.Waiting, b.Items())
}

// Complete reports whether everything has arrived.
func (b *Books) Complete() bool { return b.Balanced && b.Waiting == 0 && b.Lost == 0 }

// since returns the accounts from an earlier state on.
func (b Books) since(earlier *Books) Books {
	b.WaitingBefore = earlier.Waiting
	b.Produced -= earlier.Produced
	b.Sent -= earlier.Sent
	b.Lost -= earlier.Lost
	b.LostBecause = maps.Clone(b.LostBecause)
	for reason, n := range earlier.LostBecause {
		if b.LostBecause[reason] -= n; b.LostBecause[reason] == 0 {
			delete(b.LostBecause, reason)
		}
	}
	b.Retries -= earlier.Retries
	b.Errors -= earlier.Errors
	if b.Errors == 0 {
		b.LastError, b.LastErrorAt = "", time.Time{}
	}
	b.Balanced = b.Balanced && b.WaitingBefore+b.Produced == b.Sent+b.Lost+b.Waiting
	return b
}

// state is what an outlet keeps in its file.
type state struct {
	Outlet      string             `json:"outlet"`
	HandedOn    string             `json:"handed_on_to,omitempty"` // the outlet that takes its place, while it is not used itself
	Cursor      int64              `json:"cursor_ms"`              // everything up to here is sent or lost
	Counted     int64              `json:"counted_ms"`             // everything up to here is in Produced
	Produced    uint64             `json:"produced"`
	Sent        uint64             `json:"sent"`
	Lost        uint64             `json:"lost"`
	Behind      map[string][]int64 `json:"behind_ms,omitempty"` // waiting behind the cursor: the times of their samples by series
	LostBecause map[string]uint64  `json:"lost_because,omitempty"`
	Retries     uint64             `json:"retries"`
	Errors      uint64             `json:"errors"`
	LastError   string             `json:"last_error,omitempty"`
	LastErrorAt time.Time          `json:"last_error_at,omitzero"`
}

func loadState(file, name string) (state, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		now := time.Now().UnixMilli()
		s := state{Outlet: name, Cursor: now, Counted: now}
		if err := s.save(file); err != nil { // now, so that a run that is killed at once is sent by the next process
			return state{}, fmt.Errorf("opening outlet %s: %w", name, err)
		}
		return s, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("reading how far outlet %s has come: %w", name, err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil || s.Cursor <= 0 || s.Counted < s.Cursor {
		if err == nil {
			err = fmt.Errorf("cursor %d, counted %d: not possible", s.Cursor, s.Counted)
		}
		return state{}, fmt.Errorf("reading how far outlet %s has come, in %s: %w; remove the file to begin anew from now on", name, file, err)
	}
	s.Outlet, s.HandedOn = name, ""
	return s, nil
}

func (s *state) save(file string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(file, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(file)))
	}
	if err != nil {
		return fmt.Errorf("writing how far it has come: %w", err)
	}
	return nil
}

// Books returns the accounts since the outlet began.
func (o *Outlet) Books() Books {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.state
	b := Books{
		Outlet: o.o.Name, Produced: s.Produced, Sent: s.Sent, Lost: s.Lost, LostBecause: maps.Clone(s.LostBecause),
		Retries: s.Retries, Errors: s.Errors, LastError: s.LastError, LastErrorAt: s.LastErrorAt,
	}
	if gone := s.Sent + s.Lost; s.Produced >= gone {
		b.Waiting = s.Produced - gone
	}
	b.Balanced = b.Produced == b.Sent+b.Lost+b.Waiting
	if b.Waiting > 0 {
		b.OldestSeconds = max(0, time.Since(time.UnixMilli(max(s.Cursor, o.oldest))).Seconds())
	}
	return b
}

// update changes the state and tells those who wait for it.
func (o *Outlet) update(change func(*state)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.state)
	close(o.changed)
	o.changed = make(chan struct{})
}

// saveEvery is how often the file is written while nothing is sent.
const saveEvery = 30 * time.Second

// moved enters that everything up to a time is done, on disk too if something was sent.
func (o *Outlet) moved(to int64, some bool) {
	o.update(func(s *state) { s.Cursor = max(s.Cursor, to) })
	if some || time.Since(o.saved) >= saveEvery {
		o.save()
	}
}

func (o *Outlet) save() {
	o.mu.Lock()
	if o.begun { // until then it is what the process before has left
		o.state.Behind = o.behind()
	}
	s := o.state
	s.LostBecause = maps.Clone(s.LostBecause)
	o.saved = time.Now()
	o.mu.Unlock()
	if err := s.save(o.o.File); err != nil {
		o.update(func(s *state) { s.Errors++; s.LastError = err.Error(); s.LastErrorAt = time.Now().UTC() })
		o.tell("file", err.Error()+"; what is sent from now on may be sent again by the next process")
	}
}

// settle compares the books with the store where nothing is left to send: what was counted and never read has gone with the
// store's retention. It reports whether nothing is.
func (o *Outlet) settle() bool {
	o.takeLate()
	if len(o.late) > 0 {
		return false
	}
	o.mu.Lock()
	s := o.state
	o.mu.Unlock()
	if gone := s.Sent + s.Lost; s.Cursor == s.Counted && s.Produced != gone {
		if s.Produced > gone {
			o.lose(s.Produced-gone, "removed from the store by its retention before they could be sent")
		} else { // a process that was killed sent more than it wrote down
			o.update(func(s *state) { s.Produced = gone })
		}
		o.save()
	}
	o.mu.Lock()
	o.settled = max(o.settled, s.Cursor)
	o.mu.Unlock()
	o.update(func(*state) {})
	return true
}

// succeeded enters an answer of the destination: that many samples have arrived, and that many are lost.
func (o *Outlet) succeeded(sent, lost uint64, reason string) {
	o.mu.Lock()
	o.refused = false
	o.mu.Unlock()
	o.update(func(s *state) { s.Sent += sent })
	o.presence.answeredNow()
	if lost > 0 {
		o.lose(lost, reason)
	}
}

func (o *Outlet) lose(n uint64, reason string) {
	o.update(func(s *state) {
		s.Lost += n
		s.Errors++
		s.LastError, s.LastErrorAt = reason, time.Now().UTC()
		s.LostBecause = withReason(s.LostBecause, reason, n)
	})
	o.tell("lost: "+alike(shortReason(reason)), "samples are lost: "+reason)
}

// failed enters an attempt that came to nothing.
func (o *Outlet) failed(err error) {
	var e *Error
	refused := errors.As(err, &e) && e.Reaction == Refused
	o.presence.failed(err, refused) // before a Flush, which a refusal ends, returns and says what is waiting
	o.mu.Lock()
	o.refused = refused
	o.mu.Unlock()
	o.update(func(s *state) { s.Errors++; s.LastError, s.LastErrorAt = err.Error(), time.Now().UTC() })
}

// maxReasons bounds how many reasons are told apart.
const maxReasons = 10

// withReason counts a loss under its reason, in a bounded map.
func withReason(reasons map[string]uint64, reason string, lost uint64) map[string]uint64 {
	if reasons == nil {
		reasons = map[string]uint64{}
	}
	key := shortReason(reason)
	for known := range reasons {
		if alike(known) == alike(key) {
			reasons[known] += lost
			return reasons
		}
	}
	if len(reasons) >= maxReasons {
		key = "other reasons"
	}
	reasons[key] += lost
	return reasons
}

// alike returns what a reason has in common with others of its kind: the words without figures, since times, counts and ids
// of requests differ from answer to answer.
func alike(reason string) string {
	figures := func(word string) bool { return strings.ContainsAny(word, "0123456789") }
	if words := slices.DeleteFunc(strings.Fields(reason), figures); len(words) > 0 {
		return strings.Join(words, " ")
	}
	return reason
}

// shortReason returns the beginning of a reason, which is what repeats; the end tends to name a series.
func shortReason(reason string) string {
	const most = 120
	runes := []rune(reason)
	return string(runes[:min(most, len(runes))])
}

// tell gives a message once.
func (o *Outlet) tell(key, text string) {
	o.mu.Lock()
	known := o.told[key] || len(o.told) >= maxReasons
	if !known {
		o.told[key] = true
	}
	o.mu.Unlock()
	if !known {
		o.o.Notify("outlet " + o.o.Name + ": " + text)
	}
}
