package outlet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"
)

// Exporter sends items of one kind, spans or events, to one destination. One that is an io.Closer is closed when Run ends.
type Exporter[T any] interface {
	// Export sends the items, oldest first, and returns nil when the destination has acknowledged all of them. What an *Error
	// says becomes of them; after any other error they are sent again. It must return when ctx ends. The items belong to the
	// caller. One call at a time.
	Export(ctx context.Context, items []T) error
}

// Lane is one way to a destination, with accounts of its own. An *Outlet and a *Queue are lanes.
type Lane interface {
	// Run sends until ctx ends, and returns when all that was under way has ended.
	Run(ctx context.Context) error
	// Flush waits until what there is up to a time has been sent, or waiting is of no use, and until ctx ends at most. Run
	// must be running.
	Flush(ctx context.Context, until time.Time)
	// Books returns the accounts since the lane began.
	Books() Books
}

// Signals of queues.
const (
	Spans  = "spans"
	Events = "events"
)

const (
	defaultCapacity = 8192
	defaultDelay    = time.Second
	queueTimeout    = 10 * time.Second
	queueBatch      = 512
)

// QueueOptions describe a Queue. Name, Signal and Exporter are needed.
type QueueOptions[T any] struct {
	Name     string       // the outlet's, for people, and the label outlet; without secrets
	To       *Destination // shared with the other lanes of the outlet; nil: there are none
	Signal   string       // what it carries, in words: Spans, Events
	Exporter Exporter[T]
	File     string // where what is waiting at the end is kept for the next process, as JSON; empty: it is lost

	Capacity int               // items in memory at most, beside those being sent; default 8192
	Delay    time.Duration     // how long items wait for others to be sent with; default 1 s
	Timeout  time.Duration     // of one export; default 10 s
	Notify   func(text string) // given one message for each reason of a loss and, without To, one when an outage begins and one when it ends; must not block
}

// Queue carries what is in no store from whoever makes it to one destination: in memory, bounded, and never in the way.
// What does not fit is lost, and counted; so is, without a file, what could not be sent by the end. Its methods may be called at the same time, Run once.
type Queue[T any] struct {
	o     QueueOptions[T]
	wake  chan struct{} // tells Run that there is a batch
	hurry chan struct{} // tells it that a flush began
	full  int           // items for which Run is woken before the delay is over

	presence *presence

	mu      sync.Mutex
	ring    []T // what is waiting, from first on; grows up to the capacity
	first   int
	waiting int
	sending []T  // the batch that Run is at
	kept    bool // the file is there
	cancel  context.CancelFunc
	since   time.Time // when the oldest item came
	dropped uint64    // for want of room; in books.Lost too
	books   Books     // Waiting and Balanced are not kept in it
	refused bool      // the last attempt was, for a reason that waiting will not change
	told    map[string]bool
	changed chan struct{} // closed and replaced when a batch is done with
}

// NewQueue returns a queue with what its file has. It starts nothing.
func NewQueue[T any](o QueueOptions[T]) (*Queue[T], error) {
	if o.Capacity <= 0 {
		o.Capacity = defaultCapacity
	}
	if o.Delay <= 0 {
		o.Delay = defaultDelay
	}
	if o.Timeout <= 0 {
		o.Timeout = queueTimeout
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	q := &Queue[T]{
		o: o, full: min(queueBatch, o.Capacity), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), changed: make(chan struct{}),
		books: Books{Outlet: o.Name, Signal: o.Signal}, told: map[string]bool{},
	}
	if o.To == nil {
		o.To = NewDestination(o.Name, o.Notify)
	}
	q.presence = o.To.join(o.Signal, o.Capacity, q.Books)
	if err := q.recall(); err != nil {
		return nil, err
	}
	return q, nil
}

// Offer puts an item into the queue. If there is no room for it, it is counted as lost and Offer returns false. It never
// waits for the destination.
func (q *Queue[T]) Offer(item T) bool {
	q.mu.Lock()
	q.books.Produced++
	if q.waiting >= q.o.Capacity {
		q.books.Lost++
		q.dropped++
		q.mu.Unlock()
		return false
	}
	if q.waiting == len(q.ring) {
		q.grow()
	}
	if q.waiting+len(q.sending) == 0 {
		q.since = time.Now()
	}
	q.ring[(q.first+q.waiting)%len(q.ring)] = item
	q.waiting++
	batch := q.waiting == q.full
	q.mu.Unlock()
	if batch {
		rouse(q.wake)
	}
	return true
}

// grow doubles the ring. The caller holds mu.
func (q *Queue[T]) grow() {
	ring := make([]T, min(max(2*len(q.ring), 64), q.o.Capacity))
	n := copy(ring, q.ring[q.first:])
	copy(ring[n:], q.ring[:q.first])
	q.ring, q.first = ring, 0
}

func rouse(sleeper chan<- struct{}) {
	select {
	case sleeper <- struct{}{}:
	default:
	}
}

// Run implements Lane: it sends what is offered, in batches, until ctx ends; what is still waiting then is kept
// in the file, or lost. It returns no error.
func (q *Queue[T]) Run(ctx context.Context) error {
	if c, ok := q.o.Exporter.(io.Closer); ok {
		defer func() { _ = c.Close() }() // what it had to say was said in answers
	}
	timer := time.NewTimer(q.o.Delay)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-timer.C:
		case <-q.wake:
		case <-q.hurry:
		case <-ctx.Done():
		}
		timer.Reset(q.o.Delay)
		for ctx.Err() == nil {
			batchContext, cancel := context.WithCancel(ctx)
			batch := q.take(cancel)
			if len(batch) > 0 {
				q.send(batchContext, batch)
			}
			cancel()
			q.tellDropped()
			if len(batch) < queueBatch {
				break
			}
		}
	}
	q.leave("not sent when tidegauge ended")
	return nil
}

// take takes a batch out of the queue.
func (q *Queue[T]) take(cancel context.CancelFunc) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(q.waiting, queueBatch)
	batch := make([]T, n)
	var none T
	for i := range batch {
		batch[i], q.ring[q.first] = q.ring[q.first], none
		q.first = (q.first + 1) % len(q.ring)
	}
	q.waiting -= n
	q.sending, q.cancel = batch, cancel
	return batch
}

// send sends a batch, as often as it takes, until ctx ends: then somebody has given it up.
func (q *Queue[T]) send(ctx context.Context, batch []T) {
	backoff := minBackoff
	for {
		limited, cancel := context.WithTimeout(ctx, q.o.Timeout)
		err := q.o.Exporter.Export(limited, batch)
		late := limited.Err() != nil
		cancel()
		if ctx.Err() != nil && err != nil {
			return
		}
		if late && err != nil {
			err = fmt.Errorf("no answer within %v: %w", q.o.Timeout, err)
		}
		var e *Error
		switch {
		case err == nil:
			q.done(len(batch), 0, "")
			return
		case errors.As(err, &e) && e.Reaction == Partial:
			lost := min(max(e.Lost, 0), len(batch))
			q.done(len(batch)-lost, lost, e.Error())
			return
		case errors.As(err, &e) && e.Reaction == Rejected:
			q.done(0, len(batch), e.Error())
			return
		}
		q.failed(err, e != nil && e.Reaction == Refused)
		pause := jitter(backoff)
		asked := e != nil && e.After > pause
		if asked {
			pause = e.After
		}
		if !q.pause(ctx, pause, asked) {
			return
		}
		q.mu.Lock()
		q.books.Retries++
		q.mu.Unlock()
		backoff = min(2*backoff, maxBackoff)
	}
}

// pause waits before another attempt, and reports whether ctx lasted as long. A flush ends it, unless the destination asked
// for the time.
func (q *Queue[T]) pause(ctx context.Context, d time.Duration, asked bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	hurry := q.hurry
	if asked {
		hurry = nil
	}
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
		return false
	}
	return true
}

// done enters the answer to a batch.
func (q *Queue[T]) done(sent, lost int, reason string) {
	q.mu.Lock()
	if len(q.sending) == 0 { // given up meanwhile
		q.mu.Unlock()
		return
	}
	q.refused = false
	q.sending, q.since = nil, time.Now()
	q.books.Sent += uint64(sent)
	if lost > 0 {
		q.lose(uint64(lost), reason)
	}
	q.forget()
	q.change()
	q.mu.Unlock()
	q.presence.answeredNow()
	if lost > 0 {
		q.tell("lost: "+alike(shortReason(reason)), reason)
	}
}

// failed enters an attempt that came to nothing.
func (q *Queue[T]) failed(err error, refused bool) {
	q.presence.failed(err, refused) // before a Flush, which a refusal ends, returns
	q.mu.Lock()
	q.refused = refused
	q.books.Errors++
	q.books.LastError, q.books.LastErrorAt = err.Error(), time.Now().UTC()
	q.change()
	q.mu.Unlock()
}

// lose enters a loss. The caller holds mu.
func (q *Queue[T]) lose(n uint64, reason string) {
	q.books.Lost += n
	q.books.Errors++
	q.books.LastError, q.books.LastErrorAt = reason, time.Now().UTC()
	q.books.LostBecause = withReason(q.books.LostBecause, reason, n)
}

// change tells those who flush. The caller holds mu.
func (q *Queue[T]) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// tell gives a message of a loss once.
func (q *Queue[T]) tell(key, reason string) {
	q.mu.Lock()
	known := q.told[key] || len(q.told) >= maxReasons
	q.told[key] = true
	q.mu.Unlock()
	if !known {
		q.o.Notify(fmt.Sprintf("outlet %s: %s are lost: %s", q.o.Name, q.o.Signal, reason))
	}
}

// noRoom is why items are lost that come faster than they can be sent.
const noRoom = "they come faster than they can be sent"

func (q *Queue[T]) tellDropped() {
	q.mu.Lock()
	dropped := q.dropped
	q.mu.Unlock()
	if dropped > 0 {
		q.tell(noRoom, noRoom)
	}
}

// discard gives up all there is. The caller holds mu.
func (q *Queue[T]) discard(reason string) {
	n := q.waiting + len(q.sending)
	if n == 0 {
		return
	}
	if q.cancel != nil {
		q.cancel()
	}
	q.presence.gaveUp()
	clear(q.ring)
	q.waiting, q.sending, q.first = 0, nil, 0
	q.lose(uint64(n), reason)
	q.change()
}

// Flush implements Lane. What cannot be sent by then waits for the next Flush, or without a file is lost: it would be in
// nobody's accounts later.
func (q *Queue[T]) Flush(ctx context.Context, _ time.Time) {
	q.mu.Lock()
	q.refused = false
	q.mu.Unlock()
	rouse(q.hurry)
	for {
		q.mu.Lock()
		empty, refused, changed := q.waiting+len(q.sending) == 0, q.refused, q.changed
		q.mu.Unlock()
		if empty {
			return
		}
		if refused {
			q.leave("not taken by the end of the run")
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			q.leave("not taken by the end of the run")
			return
		}
	}
}

// Books implements Lane.
func (q *Queue[T]) Books() Books {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.books
	b.LostBecause = maps.Clone(b.LostBecause)
	if q.dropped > 0 {
		b.LostBecause = withReason(b.LostBecause, noRoom, q.dropped)
	}
	b.Waiting = uint64(q.waiting + len(q.sending))
	b.Balanced = b.Produced == b.Sent+b.Lost+b.Waiting
	if b.Waiting > 0 {
		b.OldestSeconds = max(0, time.Since(q.since).Seconds())
	}
	return b
}
