// Package outlet sends what the store holds to a store of the user's own, and keeps the books of it.
//
// An outlet is a cursor over the embedded store: it reads what lies between the last acknowledged time and now minus a
// settling delay, writes it, and then moves the cursor, which is a file. What turns up behind the cursor all the same, such
// as a scrape that took longer than the settling delay, is sent in between and does not move it. An outlet has no queue of its own: what could not be sent
// stays where it is, in the store, through outages and restarts, for as long as the store keeps it. That is why remote write
// goes this way too and not through Prometheus's own queue, which begins anew at the end of the write-ahead log when its
// process starts, and so forgets what it had not sent.
//
// Samples go out in the order of time, at most one of each series in a request. A request repeated because its answer was
// lost is then harmless: a receiver that has these samples already has them as the latest of their series, and takes equal
// ones without a word.
package outlet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"tidegauge/engine/store"
)

// Defaults.
const (
	defaultSettle  = 5 * time.Second
	defaultTimeout = 30 * time.Second
	defaultBatch   = 5000
	minBackoff     = 250 * time.Millisecond
	maxBackoff     = 30 * time.Second
	poll           = time.Second
	patience       = 10 * time.Second // after which it is said that there is no answer, which may still come
)

// Source is where the samples are; a *store.Store is one. Both methods take samples with from < time <= to, in milliseconds
// since 1970, and are called from one goroutine at a time.
type Source interface {
	// Read calls use for each sample, series by series, each in the order of time, and stops with use's first error.
	Read(ctx context.Context, from, to int64, use func(store.Point) error) error
	// Count counts them, staleness markers apart.
	Count(ctx context.Context, from, to int64) (samples, markers uint64, err error)
}

// ExemplarSource is where exemplars are; a *store.Store is one.
type ExemplarSource interface {
	// Exemplars calls use for each exemplar with from < time <= to, in milliseconds since 1970, series by series, each in the
	// order of time, and stops with use's first error. Called from one goroutine at a time.
	Exemplars(ctx context.Context, from, to int64, use func(store.Exemplar) error) error
}

// LateSource tells what turned up behind what was read of a Source, or counted; a *store.Tail is both.
type LateSource interface {
	// Late hands over what it is since the last time.
	Late() store.Late
}

// Sample is one sample to be sent.
type Sample struct {
	store.Point
	// Exemplars, where Options.Exemplars has them, are those of the series that came after its sample before, oldest first.
	// They are sent as often as their sample, and in no book.
	Exemplars []store.Exemplar
	Before    *store.Histogram // of a histogram, where Options.Before asks for it: its state at the sample before; nil at its beginning
}

// Writer sends samples to one destination. One that is an io.Closer is closed when Run ends.
type Writer interface {
	// Write sends the samples, which are in the order of time, and returns nil when the destination has acknowledged all of
	// them. What an *Error says becomes of them; after any other error they are sent again. It must return when ctx ends. The
	// samples belong to the caller. One call at a time.
	Write(ctx context.Context, samples []Sample) error
}

// Options describe an outlet. Name, File, Source and Writer are needed.
type Options struct {
	Name    string       // for people, and the label outlet; without secrets
	To      *Destination // shared with the other lanes of the outlet; nil: there are none
	File    string       // where the cursor and the books are kept
	Source  Source
	Writer  Writer
	Markers bool // staleness markers are sent too; otherwise they are in no book
	Before  bool // histograms come with their state before

	Exemplars ExemplarSource // of the same samples as Source; nil: samples come without

	Late LateSource // of the same samples as Source; nil: what turns up after it has settled is not sent, and in no book

	Settle   time.Duration     // how old samples are when they are read: few turn up later than that; default 5 s
	Timeout  time.Duration     // of one write; default 30 s
	MaxBatch int               // samples of one write; default 5000
	Notify   func(text string) // given one message for each reason of a loss and, without To, one when an outage begins and one when it ends; must not block
}

// Outlet is one destination. Its methods may be called at the same time, Run once.
type Outlet struct {
	o         Options
	window    int64                       // milliseconds read at once; only Run's
	divisions int                         // of the next batch that is rejected; only Run's
	before    map[string]timeHistogram    // latest histogram of each series; only Run's
	filled    bool                        // before is; only Run's
	begun     bool                        // the source knows where the cursor is; only Run's
	loose     map[string][]store.Exemplar // of each series, whose sample has not been read yet; only Run's
	presence  *presence
	late      []Sample // turned up behind the cursor or what was read, in the order of time, and not sent yet; only Run's

	mu      sync.Mutex
	state   state
	oldest  int64     // of what is being sent
	settled int64     // up to here everything is done and the books were compared with the store
	saved   time.Time // when the file was written
	until   int64     // read up to here without settling
	refused bool      // the last attempt was, for a reason that waiting will not change
	told    map[string]bool
	changed chan struct{} // closed and replaced whenever the state changes
	wake    chan struct{} // tells Run that until changed
}

type timeHistogram struct {
	at int64
	h  *store.Histogram
}

// New opens an outlet with the cursor that is in its file; without one it begins now. It starts nothing.
func New(o Options) (*Outlet, error) {
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = defaultBatch
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	s, err := loadState(o.File, o.Name)
	if err != nil {
		return nil, err
	}
	opened := &Outlet{
		o: o, window: firstWindow, divisions: divisions, before: map[string]timeHistogram{}, loose: map[string][]store.Exemplar{}, state: s, told: map[string]bool{},
		changed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if o.To == nil {
		o.To = NewDestination(o.Name, o.Notify)
	}
	opened.presence = o.To.join("samples", 0, opened.Books)
	return opened, nil
}

// Name returns the outlet's name.
func (o *Outlet) Name() string { return o.o.Name }

// Run sends until ctx ends, and returns when what it was doing has ended. What was not sent then is waiting for the next
// Run of an outlet with this file. An error says that the store could not be read.
func (o *Outlet) Run(ctx context.Context) error {
	defer func() {
		if o.begun {
			o.takeLate()
		}
		o.save()
	}()
	if c, ok := o.o.Writer.(io.Closer); ok {
		defer func() { _ = c.Close() }() // what it had to say was said in answers
	}
	backoff := minBackoff
	for ctx.Err() == nil {
		to := o.target()
		err := o.begin(ctx)
		if err == nil {
			err = o.count(ctx, to)
		}
		if err == nil {
			err = o.advance(ctx, to)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrClosed):
			return fmt.Errorf("outlet %s: %w", o.o.Name, err)
		case err != nil:
			o.failed(err) // the store could not be read
			o.wait(ctx, jitter(backoff))
			backoff = min(2*backoff, maxBackoff)
		default:
			backoff = minBackoff
			if !o.flushBeyond(to) {
				o.wait(ctx, poll)
			}
		}
	}
	return nil
}

// begin tells the source where the cursor is: what turns up behind it from now on is late. What was late and not sent when
// the process before ended is so again.
func (o *Outlet) begin(ctx context.Context) error {
	if o.begun {
		return nil
	}
	if err := o.recall(ctx); err != nil {
		return err
	}
	o.begun = true
	return nil
}

// target returns up to when samples can be read.
func (o *Outlet) target() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return max(time.Now().Add(-o.o.Settle).UnixMilli(), o.until, o.state.Cursor)
}

// flushBeyond reports whether a flush waits for more than what lies up to to.
func (o *Outlet) flushBeyond(to int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.until > to
}

// wait waits for a time, or until a flush begins.
func (o *Outlet) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.wake:
	case <-ctx.Done():
	}
}

// count enters what turned up since the last time as produced.
func (o *Outlet) count(ctx context.Context, to int64) error {
	o.mu.Lock()
	from := o.state.Counted
	o.mu.Unlock()
	samples, markers, err := o.o.Source.Count(ctx, from, to)
	if err != nil {
		return err
	}
	if o.o.Markers {
		samples += markers
	}
	o.update(func(s *state) {
		s.Produced += samples
		s.Counted = max(s.Counted, to)
	})
	o.takeLate()
	return nil
}

// send writes a batch, as often as it takes. It returns an error only when ctx ends or the store cannot be read.
func (o *Outlet) send(ctx context.Context, batch []Sample, divisions *int) error {
	backoff := minBackoff
	for {
		err := o.attempt(ctx, batch)
		if ctx.Err() != nil && err != nil {
			return ctx.Err() // it was us who broke it off
		}
		var e *Error
		switch {
		case err == nil:
			o.succeeded(uint64(len(batch)), 0, "")
			return nil
		case errors.As(err, &e) && e.Reaction == Partial:
			lost := min(max(e.Lost, 0), len(batch))
			o.succeeded(uint64(len(batch)-lost), uint64(lost), e.Error())
			return nil
		case errors.As(err, &e) && e.Reaction == Rejected:
			return o.divide(ctx, batch, e, divisions)
		}
		o.failed(err)
		if time.Since(o.saved) >= saveEvery { // so that the file of a process that is killed says that something waits
			o.save()
		}
		pause := jitter(backoff)
		asked := e != nil && e.After > pause
		if asked {
			pause = e.After
		}
		if err := o.pause(ctx, pause, asked); err != nil {
			return err
		}
		o.update(func(s *state) { s.Retries++ })
		backoff = min(2*backoff, maxBackoff)
	}
}

// attempt writes a batch once, and goes on counting what turns up meanwhile: the books of an outlet whose destination hangs
// say how much is waiting.
func (o *Outlet) attempt(ctx context.Context, batch []Sample) error {
	limited, cancel := context.WithTimeout(ctx, o.o.Timeout)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- o.o.Writer.Write(limited, batch) }()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	woken, said, begun := false, false, time.Now()
	for {
		select {
		case err := <-answer:
			if limited.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("no answer within %v", o.o.Timeout)
			}
			if woken {
				rouse(o.wake) // the pause that may follow is to end
			}
			return err
		case <-o.wake:
			woken = true
		case <-ticker.C:
		}
		if !said && time.Since(begun) >= patience {
			said = true
			o.presence.failed(fmt.Errorf("no answer for %v", patience), false)
		}
		_ = o.count(ctx, o.target()) // what is wrong with the store is said by the next count or read
	}
}

// pause waits before another attempt, and goes on counting what turns up meanwhile. A flush ends it, unless the destination
// asked for the time.
func (o *Outlet) pause(ctx context.Context, d time.Duration, asked bool) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		timer := time.NewTimer(min(time.Until(end), poll))
		select {
		case <-timer.C:
		case <-o.wake:
			timer.Stop()
			if !asked {
				end = time.Now()
			}
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if err := o.count(ctx, o.target()); err != nil {
			return err
		}
	}
	return nil
}

// jitter returns a time between half of d and d: outlets that fail together do not come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// divide sends a batch that was rejected in parts, so that one bad sample costs only itself.
func (o *Outlet) divide(ctx context.Context, batch []Sample, cause *Error, divisions *int) error {
	if len(batch) == 1 || *divisions == 0 {
		o.succeeded(0, uint64(len(batch)), cause.Error())
		return nil
	}
	*divisions--
	first, second := halves(batch)
	if err := o.send(ctx, first, divisions); err != nil {
		return err
	}
	return o.send(ctx, second, divisions)
}

// halves parts values from histograms, which some receivers do not take at all, and otherwise the earlier from the later.
func halves(batch []Sample) (first, second []Sample) {
	for _, s := range batch {
		if s.Histogram == nil {
			first = append(first, s)
		} else {
			second = append(second, s)
		}
	}
	if len(first) == 0 || len(second) == 0 {
		return batch[:len(batch)/2], batch[len(batch)/2:]
	}
	return first, second
}

// Flush has everything up to a time sent, without waiting for it to settle, and waits for that: until ctx ends, or the
// destination says no to an attempt in a way that waiting does not change. Run must be running.
func (o *Outlet) Flush(ctx context.Context, until time.Time) {
	o.mu.Lock()
	o.until = max(o.until, until.UnixMilli())
	o.refused = false
	o.mu.Unlock()
	rouse(o.wake)
	for {
		o.mu.Lock()
		done, changed := o.settled >= o.until || o.refused, o.changed
		o.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
