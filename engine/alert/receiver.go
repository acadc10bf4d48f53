package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
)

const (
	maxWaiting   = 10_000 // alerts, for one receiver
	sendWithin   = 10 * time.Second
	lastWithin   = 2 * time.Second // when the process ends
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	lookEvery    = 15 * time.Second // for alerts of which nothing is heard any more
)

// Kind is what a receiver understands.
type Kind string

// The kinds.
const (
	Alertmanager Kind = "alertmanager" // its API v2
	Webhook      Kind = "webhook"      // what Alertmanager sends to webhooks
)

// Receiver is somebody who is told of alerts.
type Receiver struct {
	Kind    Kind
	Name    string // in metrics and messages; default: the URL's host
	URL     string // of an Alertmanager without its path /api/v2/alerts
	Token   string // sent as Authorization: Bearer; empty: none
	Headers map[string]string
}

// Alert is one alert, as receivers are told of it.
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // of one that fires: when it is over unless it is told again
	GeneratorURL string            `json:"generatorURL"`
	Resolved     bool              `json:"-"`
}

// fingerprint tells alerts apart, as Alertmanager does.
func (a *Alert) fingerprint() string {
	set := model.LabelSet{}
	for name, v := range a.Labels {
		set[model.LabelName(name)] = model.LabelValue(v)
	}
	return set.Fingerprint().String()
}

// message is one request to a receiver.
type message struct {
	body   []byte
	alerts []string // that it tells of
}

// encoder makes messages of alerts, by their fingerprints.
type encoder func(r *receiver, alerts map[string]Alert) ([]message, error)

// receiver tells one Receiver of alerts: the latest of each, again and again until it is taken.
type receiver struct {
	Receiver
	client *http.Client
	log    *slog.Logger
	origin string // URL of this process
	target string
	encode encoder
	known  *known // what a webhook has been told; nil: it is told all there is
	wake   chan struct{}

	mu      sync.Mutex
	waiting map[string]Alert
	counts  counts
}

type counts struct{ produced, sent, lost, errors uint64 }

func newReceiver(r Receiver, client *http.Client, log *slog.Logger, origin string, s *state) *receiver {
	x := &receiver{Receiver: r, client: client, log: log.With("receiver", r.Name), origin: origin, wake: make(chan struct{}, 1), waiting: map[string]Alert{}}
	if r.Kind == Alertmanager {
		x.target, x.encode = strings.TrimSuffix(r.URL, "/")+"/api/v2/alerts", encodeAlertmanager
		return x
	}
	x.target, x.encode, x.known = r.URL, encodeWebhook, s.of(r.Name)
	return x
}

// take queues alerts. What waits of the same alert is replaced; when there are too many, new ones are lost.
func (r *receiver) take(alerts []Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known != nil {
		alerts = r.known.news(alerts, func(key string) bool { _, waits := r.waiting[key]; return waits })
	}
	for i := range alerts {
		key := alerts[i].fingerprint()
		_, replaces := r.waiting[key]
		if !replaces {
			r.counts.produced++
		}
		if !replaces && len(r.waiting) >= maxWaiting {
			r.counts.lost++
			continue
		}
		r.waiting[key] = alerts[i]
	}
	if len(r.waiting) > 0 {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// run tells of what is waiting until ctx ends.
func (r *receiver) run(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	backoff := time.Duration(0)
	var again <-chan time.Time
	for {
		wake := r.wake
		if again != nil { // who is away is not asked sooner for more
			wake = nil
		}
		select {
		case <-ctx.Done():
			last, done := context.WithTimeout(context.WithoutCancel(ctx), lastWithin)
			defer done()
			_ = r.flush(last) // counted, and said in the log
			return
		case <-look.C:
			if r.known != nil {
				r.take(r.known.over(time.Now()))
			}
			continue
		case <-wake:
		case <-again:
		}
		again = nil
		if err := r.flush(ctx); err != nil {
			backoff = min(max(2*backoff, firstBackoff), lastBackoff)
			again = time.After(backoff)
		} else {
			backoff = 0
		}
	}
}

// flush tells of everything that is waiting; the error says that some of it could not be told yet.
func (r *receiver) flush(ctx context.Context) error {
	r.mu.Lock()
	waiting := maps.Clone(r.waiting)
	r.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	messages, err := r.encode(r, waiting)
	if err != nil {
		r.log.Error("writing notifications", "error", err)
	}
	var failures []error
	for _, m := range messages {
		err := r.post(ctx, m.body)
		refused, final := errors.AsType[*refusal](err)
		r.mu.Lock()
		switch {
		case err == nil:
			r.counts.sent += r.forget(m.alerts, waiting)
		case final && refused.final():
			r.counts.lost += r.forget(m.alerts, waiting)
		default:
			failures = append(failures, err)
		}
		if err != nil {
			r.counts.errors++
		}
		r.mu.Unlock()
		if err == nil && r.known != nil {
			if err := r.known.told(m.alerts, waiting); err != nil {
				r.log.Error("keeping what a webhook has been told", "error", err)
			}
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("telling a receiver of alerts", "error", err, "alerts", len(m.alerts))
		}
	}
	return errors.Join(failures...)
}

// forget takes alerts from those waiting, but for those of which there is newer news. It returns how many were told of; r.mu is
// held.
func (r *receiver) forget(keys []string, told map[string]Alert) (n uint64) {
	for _, key := range keys {
		now, then := r.waiting[key], told[key]
		if now.Resolved == then.Resolved && now.EndsAt.Equal(then.EndsAt) {
			delete(r.waiting, key)
		} else {
			r.counts.produced++ // there is one more to be told of
		}
		n++
	}
	return n
}

// refusal is an answer that is none of success.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return fmt.Sprintf("it answers %d: %s", e.status, e.text) }

// final reports whether asking again is of no use.
func (e *refusal) final() bool {
	return e.status >= 300 && e.status < 500 && e.status != http.StatusRequestTimeout && e.status != http.StatusTooManyRequests
}

func (r *receiver) post(ctx context.Context, body []byte) error {
	ctx, done := context.WithTimeout(ctx, sendWithin)
	defer done()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("notify %s: %w", r.Name, err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "tidegauge")
	if r.Token != "" {
		q.Header.Set("Authorization", "Bearer "+r.Token)
	}
	for name, v := range r.Headers {
		q.Header.Set(name, v)
	}
	resp, err := r.client.Do(q)
	if err != nil {
		return fmt.Errorf("notify %s: %w", r.Name, err)
	}
	const enough = 1 << 10
	text, _ := io.ReadAll(io.LimitReader(resp.Body, enough)) // a broken answer says nothing more than its status
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("notify %s: %w", r.Name, &refusal{resp.StatusCode, strings.TrimSpace(string(text))})
	}
	return nil
}

// account returns what became of notifications so far.
func (r *receiver) account() (c counts, waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts, len(r.waiting)
}

func sortedKeys(m map[string]Alert) []string { return slices.Sorted(maps.Keys(m)) }
