package telemetry

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"tidegauge/engine/catalog"
)

const (
	maxEvents    = 100 // of a run that are series; a run has a dozen
	maxEventText = 120 // bytes
)

// events are what happened to a run, each a series. Safe for concurrent use.
type events struct {
	mu    sync.Mutex
	list  []happening
	shown int // of the list, in an earlier interval
}

type happening struct {
	at         time.Time
	attributes attribute.Set
}

// Event shows that something happened to the run: with the next snapshot or with the results, and from then on. It may be
// called from any goroutine. Of a long text the beginning is shown; of more than 100 events the first.
func (p *Provider) Event(at time.Time, kind, text string) {
	text = strings.ToValidUTF8(text, "�")
	if len(text) > maxEventText {
		end := maxEventText
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	own := attribute.NewSet(append([]attribute.KeyValue{
		attribute.String(catalog.LabelKind, kind), attribute.String(catalog.LabelText, text),
	}, p.labels...)...)
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	for i := range p.events.list {
		if one := &p.events.list[i]; one.attributes == own { // it happened again
			one.at = at
			return
		}
	}
	if len(p.events.list) < maxEvents {
		p.events.list = append(p.events.list, happening{at, own})
	}
}

// points shows when each event happened, in seconds since 1970. After the end of the run's series only those are left that
// were not to be seen before.
func (e *events) points(now span, ended bool) (points []gaugePoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	if ended {
		list = list[e.shown:]
	}
	e.shown = len(e.list)
	for _, one := range list {
		points = append(points, gaugePoint{Attributes: one.attributes, StartTime: now.start, Time: now.at, Value: float64(one.at.UnixMilli()) / 1000})
	}
	return points
}
