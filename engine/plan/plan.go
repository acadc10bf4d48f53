// Package plan reads a test plan and says with line and column what is wrong.
//
// README.md describes the language. [Parse] gives everything a plan says, checked and with its defaults filled in;
// [Plan.Override] one test of it, as the command's flags want it.
package plan

import (
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/feed"
	"tidegauge/engine/host"
	"tidegauge/engine/value"
)

// Plan describes a system and any number of tests over it. It is not changed after Parse, but for the host by Override.
type Plan struct {
	File       string // as named by the caller
	Source     []byte // the plan as read, for the record of a run
	Name       string
	Labels     map[string]string // become attributes of every metric
	Seed       uint64            // 0: choose one when the run starts, and print it
	MaxSeries  int               // of a run's requests in the store; 0: telemetry's default
	Target     Target
	Data       []Data
	Classes    []UserClass
	Scrape     document.Jobs // what is scraped while a test lasts
	Host       *host.Options // what is read of this machine meanwhile; nil: nothing
	HostPos    Pos
	Resources  []Resource // beside those that are known of servers
	Always     []string   // jobs that are scraped whether a test of the plan lasts or not
	Proxies    []Proxy
	Trace      Trace
	Outlets    Outlets
	Objectives []Objective
	Tests      []Test
}

// Outlets is what a plan asks of the outlets that whoever runs it has.
type Outlets struct {
	Required []string // names or kinds of those that must be complete for a pass
	Places   []Pos    // where each of them is
}

// Target is the system that is loaded.
type Target struct {
	Pos              Pos
	BaseURL          string        // without a slash at the end
	Timeout          time.Duration // of one request, from the send
	Headers          []Header
	Auth             *Auth
	TLS              TLS
	Redirects        int   // how many redirects are followed; they count as part of the request
	MaxResponseBytes int64 // a longer answer is a failure (outcome body)
}

// Header is one header field of a request; its value may have ${...} parts.
type Header struct {
	Pos   Pos
	Name  string
	Value *value.Template
}

// Auth says how requests identify themselves: basic (both of User and Password) or bearer (Token).
type Auth struct {
	Pos            Pos
	User, Password *value.Template
	Token          *value.Template
}

// TLS says how the target's certificate is judged and which one we show. Files are resolved against the plan's folder.
type TLS struct {
	Pos                Pos
	CAFile             string
	CertFile, KeyFile  string
	ServerName         string
	InsecureSkipVerify bool
}

// Order is how rows of test data are handed out.
type Order = feed.Order

// Data is a file of test data: rows with named columns.
type Data struct {
	Pos    Pos
	Name   string
	File   string // resolved against the plan's folder
	Format string // csv, json, jsonl; empty: by the ending of File
	Order  Order
	Rows   int // how many there were when the plan was read
}

// UserClass is a kind of virtual user.
type UserClass struct {
	Pos    Pos
	Name   string
	Weight int
	Fixed  int // closed model: exactly so many of them, spawned first; Weight is then ignored
	Wait   Wait
	Tasks  []Task
	Data   []string // names of the data sets that its texts mention, sorted
}

// WaitKind is the way a user waits between two iterations (closed model).
type WaitKind string

// The kinds of wait, with Locust's meaning where Locust has them.
const (
	NoWait      WaitKind = ""
	Constant    WaitKind = "constant"    // Min
	Between     WaitKind = "between"     // uniform in [Min, Max]
	Exponential WaitKind = "exponential" // mean Min
	Pacing      WaitKind = "pacing"      // an iteration starts every Min, or at once when the last took longer
	Throughput  WaitKind = "throughput"  // Rate iterations per second and user, as pacing 1/Rate
)

// Wait is the pause of a user between two iterations.
type Wait struct {
	Pos      Pos
	Kind     WaitKind
	Min, Max time.Duration
	Rate     float64
}

// Task is one thing a user does: a flow of steps. An iteration runs one task, picked by weight.
type Task struct {
	Pos    Pos
	Name   string
	Weight int
	Tags   []string
	Steps  []Step
}

// Step is one step of a flow: a request (Request is not nil) or a pause (Wait).
type Step struct {
	Pos     Pos
	If      *value.Condition // nil: always
	Wait    *Wait            // a pause inside the flow: constant, between or exponential
	Request *Request
}

// Request is a request step.
type Request struct {
	Pos         Pos
	Name        string // the series' name: the plan's `name`, or "METHOD path" with its ${...} parts as written
	Method      string
	URL         *value.Template // joined to Target.BaseURL unless absolute
	Headers     []Header        // after the target's; same name replaces
	Auth        *Auth           // nil: the target's
	Body        *value.Template // nil: none
	ContentType string          // implied by json or form; a header of the plan wins
	Timeout     time.Duration   // 0: the target's
	Checks      []Check
	Extract     []Extract
}

// Check is a condition on the answer.
type Check struct {
	Pos       Pos
	Name      string // the condition's text, or the plan's name for it
	Condition *value.Condition
}

// Extract gives a name to a part of the answer, for the steps that follow.
type Extract struct {
	Pos  Pos
	Name string
	From *value.Extractor
}

// Metric is what an objective speaks of.
type Metric string

// The metrics of objectives.
const (
	Quantile  Metric = "quantile"   // pNN, median: seconds of response time
	Mean      Metric = "mean"       // seconds of response time
	Maximum   Metric = "max"        // seconds of response time
	ErrorRate Metric = "error_rate" // failed / finished, 0..1
	Rate      Metric = "rate"       // finished requests per second
	Count     Metric = "count"      // finished requests
	Failures  Metric = "failures"   // failed requests
	CheckRate Metric = "check_rate" // checks that held / all, 0..1
	PromQL    Metric = "promql"     // an expression over the store
	Figure    Metric = "figure"     // a figure of the answer to the test's question
)

// Objective is something a run must meet.
type Objective struct {
	Pos       Pos
	Text      string // as written
	Metric    Metric
	Service   bool              // of service time instead of response time: service.p95
	Quantile  float64           // 0..1, for Quantile
	Figure    string            // for Figure: the name of its metric in the catalog
	Selector  map[string]string // labels: name, class, method, check, of a figure subject; empty: all
	Op        string            // < <= > >= ==  (for PromQL: inside the expression)
	Threshold float64           // seconds, ratio, per second, or a count; of a figure in its FigureUnit
	For       time.Duration     // judged over sliding windows of this length as well; 0: over the steady part only
	Abort     bool              // end the run once it is missed (over a whole window of For, if given)
	PromQL    string
	Unit      string // of what PromQL gives: s, ratio, or nothing where that is not known
	Preset    string // the preset it is part of; one part without data says nothing about the others
	Source    string // of a part that asks servers: which kind of them
	Meaning   string // of a part that asks servers: what of them it measures, in words
}

// Model is how load is made.
type Model string

// The models.
const (
	Open   Model = "open"   // work arrives on its schedule whether or not the target keeps up
	Closed Model = "closed" // a number of users, each starting anew when it has an answer
)

// Stage is a piece of a shape: linear from From to To over Over. Hold is From == To; a jump is Over == 0.
// Rates are per second.
type Stage struct {
	From, To float64
	Over     time.Duration
	Phase    string // ramp, steady, spike, step N …: a name for progress, charts and annotations
}

// Shape is the load of a test over time, whatever form the plan gave it in.
type Shape struct {
	Pos     Pos
	Model   Model
	Stages  []Stage // arrivals per second (Open) or users (Closed)
	Poisson bool    // Open: arrivals of a Poisson process instead of evenly spaced ones
	// MaxUsers bounds how many iterations of the open model run at once. Work that waits for a free user counts from its
	// intended start all the same.
	MaxUsers int
}

// Type is the type of a test: the question it asks.
type Type string

// The types.
const (
	Load     Type = "load"
	Stress   Type = "stress"
	Spike    Type = "spike"
	Soak     Type = "soak"
	Recovery Type = "recovery"
)

// Test is one test over the system the plan describes.
type Test struct {
	Pos         Pos
	Name        string
	Type        Type
	Shape       Shape
	Classes     []string      // empty: all
	Tags        []string      // a task needs at least one; empty: no restriction
	ExcludeTags []string      // a task with any of them is left out
	StopTimeout time.Duration // how long running iterations may take to finish at the end
	Objectives  []Objective   // the plan's and the test's own
	// WarmUp is left out of the steady stretch that is judged, of load and soak tests; nil: it is looked for in what is measured.
	WarmUp *time.Duration
	Decide Decide
	Faults []Fault // in the order of the plan
	// Search is that of a stress test that finds its load itself; Shape is then how far it may go. nil: it does not.
	Search   *Search
	Against  string // base URL of a second target that takes turns with the plan's, in an A/B test; empty: there is none
	Replicas string // of a spike test: PromQL of how many replicas serve the load; empty: nobody knows
}

// Options are the circumstances a plan is read in. The zero Options read no environment.
type Options struct {
	Getenv func(string) (string, bool) // for ${env.NAME}; nil: no variable is set
	// File says why a file that the plan names, but for those under scrape, may not be read, by its name as written; nil: any may be.
	File func(name string) error
	// Jobs are scraped always, not only while a test of the plan lasts: presets ask them too.
	Jobs []string
	// CheckPromQL says what is wrong with an expression of an objective; nil: nothing is checked. $run and $range are
	// filled in with something of the same length. If the error, or one it wraps, has a method Offset() int, that is the
	// byte at which the mistake is.
	CheckPromQL func(expr string) error
	// CheckScrape is the Check of document.JobOptions, of one job of `scrape`.
	CheckScrape func(dir string, job []byte) error
}
