// Package answer answers the question that a test's type asks: in words, in figures with their uncertainty, and in series to
// draw.
//
//   - load: does it hold the expected traffic?
//   - stress: where does it break?
//   - spike: does it survive a surge?
//   - soak: does it leak or degrade?
//   - recovery: does it fail fast and come back?
//
// An answer that what was measured does not carry is not given: the standing is then Undecided, and the text says why.
package answer

import "time"

// Answer is the answer to one question. Every format shows it alike: the text first, then the figures, then the charts.
type Answer struct {
	Question string   `json:"question"`
	Text     string   `json:"text"` // a sentence or two, with the figures that matter most
	Standing Standing `json:"standing"`
	Code     string   `json:"code,omitempty"` // of the finding that a standing other than Good makes
	Figures  []Figure `json:"figures"`
	Charts   []Chart  `json:"charts,omitempty"`
	Trials   []Trial  `json:"trials,omitempty"` // of a search for the capacity, in their order
	Warnings []string `json:"warnings,omitempty"`
}

// Standing is what an answer means for the run.
type Standing string

// The standings.
const (
	Good      Standing = "good"      // the test's question has the answer that everybody hopes for
	Bad       Standing = "bad"       // it leaks, it does not come back, it carries nothing: the run fails
	Undecided Standing = "undecided" // what was measured carries no answer: the run is inconclusive
)

// Figure is one number of an answer. The metric of its name in the catalog carries its value, so that it can be graphed and
// alerted on from run to run.
type Figure struct {
	Title    string   `json:"title"`             // for people
	Metric   string   `json:"metric,omitempty"`  // a name of the catalog; empty: it is for people only
	Subject  string   `json:"subject,omitempty"` // what it is about where there are several: a fault, a server's metric, a request
	Value    *float64 `json:"value"`             // nil: there is none, and Text says why
	Low      *float64 `json:"low,omitempty"`     // of the confidence interval; an open end is left out
	High     *float64 `json:"high,omitempty"`
	Level    float64  `json:"level,omitempty"`    // of that interval; 0: 0.95
	Unit     string   `json:"unit"`               // s, ratio, 1/s, By, By/h, 1, …: UCUM
	Censored bool     `json:"censored,omitempty"` // the true value is greater: it had not come to its end when the run was over
	Text     string   `json:"text,omitempty"`     // what a person should know of it
}

// Chart is what somebody would rather look at than read.
type Chart struct {
	Title  string  `json:"title"`
	Unit   string  `json:"unit"`
	X      string  `json:"x"` // what the horizontal axis is: "s" since the start of the run, or "1/s" or "users" of load
	Lines  []Line  `json:"lines"`
	Marks  []Mark  `json:"marks,omitempty"`  // moments or stretches on the horizontal axis
	Limits []Limit `json:"limits,omitempty"` // values on the vertical axis
}

// Line is a series of points, in the order of X. A Y of nil is a gap.
type Line struct {
	Name string     `json:"name"`
	X    []float64  `json:"x"`
	Y    []*float64 `json:"y"`
}

// Mark is a stretch of a chart, or a moment of it where From is To.
type Mark struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Limit is a value that a chart is read against.
type Limit struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Trial is one load that a search tried.
type Trial struct {
	Load     float64       `json:"load"` // arrivals per second, or users
	From     time.Time     `json:"from"` // of what was judged: its warm-up lies before
	To       time.Time     `json:"to"`
	Outcome  string        `json:"outcome"`          // passed, failed, generator
	Stage    string        `json:"stage"`            // growth, fit, confirming; of a step test step 1, …
	Reason   string        `json:"reason,omitempty"` // which objective broke first, or what the generator ran out of
	Rate     float64       `json:"rate"`             // finished requests per second
	Goodput  float64       `json:"goodput"`          // of those, the ones answered well
	P50      float64       `json:"p50"`
	P95      float64       `json:"p95"`
	P99      float64       `json:"p99"`
	Failures float64       `json:"failures"` // ratio
	Servers  []ServerValue `json:"servers,omitempty"`
}

// ServerValue is what a scraped resource came to in exactly the window of a trial.
type ServerValue struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Limit *float64 `json:"limit,omitempty"`
	Unit  string   `json:"unit"`
}
