package outlet

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Destination is what the lanes to one place know together: whether it is away. An outage is one message however many of
// them meet it, and so is its end. Its methods may be called at the same time.
type Destination struct {
	name   string
	notify func(text string)

	mu     sync.Mutex
	lanes  []*presence
	ended  time.Time // the latest outage
	wavers bool      // that it comes and goes was said
}

// What is said of a destination that comes and goes, such as one that takes so many requests a minute.
const (
	calm    = time.Minute      // since the end of an outage: another is the same story
	lasting = 10 * time.Second // an outage that is said all the same
)

// NewDestination returns a destination without lanes. Name is the outlet's; notify takes the messages, must not block, and
// can be nil.
func NewDestination(name string, notify func(text string)) *Destination {
	if notify == nil {
		notify = func(string) {}
	}
	return &Destination{name: name, notify: notify}
}

// presence is a lane's part of a destination.
type presence struct {
	d        *Destination
	items    string       // samples, spans, events
	capacity int          // of those that wait in memory; 0: they wait in the data directory
	books    func() Books // of the lane; called without locks
	from     time.Time    // since when nothing gets through; zero: it does
	quiet    bool         // its end is not said, since it only comes and goes
	refusal  string       // why, where waiting will not change it; empty: the destination is away
}

// join adds a lane.
func (d *Destination) join(items string, capacity int, books func() Books) *presence {
	p := &presence{d: d, items: items, capacity: capacity, books: books}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes = append(d.lanes, p)
	return p
}

// failed enters an attempt that came to nothing, and says so unless it is part of what was said already. A refusal is said
// even while the destination is known to be away: somebody can do something about it.
func (p *presence) failed(err error, refused bool) {
	refusal := ""
	if refused {
		refusal = err.Error()
	}
	d := p.d
	d.mu.Lock()
	now, note := time.Now(), ""
	news := refusal != "" && p.refusal == "" || p.quiet && now.Sub(p.from) >= lasting
	if p.from.IsZero() {
		p.from = now
		if news, note = d.comes(now); note != "" || !news {
			p.quiet = true
		}
		if refusal != "" {
			news, note, p.quiet = true, "", false
		}
	} else if news {
		p.quiet = false
	}
	if !news {
		d.mu.Unlock()
		return
	}
	p.refusal = refusal
	for _, other := range d.lanes {
		if other != p && !other.from.IsZero() && !other.quiet && other.refusal == refusal {
			news = false
		}
	}
	what := ""
	if refused && len(d.lanes) > 1 {
		what = "sending " + p.items + ": "
	}
	text := fmt.Sprintf("outlet %s: %s%v%s; %s", d.name, what, err, note, d.waits())
	d.mu.Unlock()
	if news {
		d.notify(text)
	}
}

// comes enters the beginning of an outage: whether it is to be said, and with what beside. The caller holds mu.
func (d *Destination) comes(now time.Time) (said bool, note string) {
	switch {
	case d.ended.IsZero() || now.Sub(d.ended) >= calm:
		d.wavers = false
		return true, ""
	case d.wavers:
		return false, ""
	}
	d.wavers = true
	return true, fmt.Sprintf(" (it comes and goes, which is said no more unless it lasts %v)", lasting)
}

// answeredNow enters an attempt that got through, and says so when it is the end of what was said before.
func (p *presence) answeredNow() {
	d := p.d
	d.mu.Lock()
	from, refusal := p.from, p.refusal
	if !from.IsZero() {
		d.ended = time.Now()
	}
	if p.quiet {
		from = time.Time{}
	}
	p.from, p.refusal, p.quiet = time.Time{}, "", false
	for _, other := range d.lanes {
		if !from.IsZero() && !other.from.IsZero() && other.refusal == refusal {
			if from.Before(other.from) {
				other.from = from
			}
			other.quiet = false
			from = time.Time{} // it will be said by the last of them
		}
	}
	lanes := d.lanes
	d.mu.Unlock()
	if from.IsZero() {
		return
	}
	var books []Books
	for i, lane := range lanes {
		if b := lane.books(); i == 0 || b.Waiting > 0 {
			books = append(books, b)
		}
	}
	d.notify(fmt.Sprintf("outlet %s: answers again after %v; %s waiting to be sent", d.name, time.Since(from).Round(100*time.Millisecond), amounts(books)))
}

// gaveUp enters that a lane waits for nothing any more.
func (p *presence) gaveUp() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.from, p.refusal, p.quiet = time.Time{}, "", false
}

// amounts says how much is waiting, as the subject of a sentence with its verb; books there is at least one of.
func amounts(books []Books) string {
	var list []string
	for i := range books {
		list = append(list, books[i].quantity())
	}
	if len(books) == 1 && books[0].Waiting == 1 {
		return list[0] + " is"
	}
	return enumerate(list) + " are"
}

// waits says where everything that is not taken waits. The caller holds mu.
func (d *Destination) waits() string {
	var memory []string
	var kept *presence
	capacity := 0
	for _, p := range d.lanes {
		if p.capacity == 0 {
			kept = p
		} else {
			memory, capacity = append(memory, p.items), p.capacity
		}
	}
	switch {
	case len(memory) == 0:
		return "nothing is lost: " + kept.items + " wait in the data directory and will be sent later"
	case kept == nil:
		return inMemory(memory, capacity)
	}
	return fmt.Sprintf("%s wait in the data directory and will be sent later, %s", kept.items, strings.Replace(inMemory(memory, capacity), " wait", "", 1))
}

func inMemory(items []string, capacity int) string {
	each := "of them"
	if len(items) > 1 {
		each = "of each"
	}
	return fmt.Sprintf("%s wait in memory, at most %d %s", enumerate(items), capacity, each)
}

// enumerate joins words as a sentence does.
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
