// Package report is what a finished run says, one value for all formats.
//
// A Collector watches a run as a measure.Sink and makes the Report, at the end or as a checkpoint in between. The tables of
// a report cover the whole run; its objectives were judged over the part that the verdict names. README.md beside this file
// documents the JSON form.
package report

import (
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/compare"
	"tidegauge/engine/measure"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/verdict"
)

// Schema names the JSON form and its version. A program that reads v1 can read every later report of that version: fields
// are added, never changed or removed.
const Schema = "tidegauge.report/v1"

// Report is a finished run in full, or a running one so far. All times are in seconds, all sizes in bytes, all ratios 0..1.
type Report struct {
	Schema     string              `json:"schema"`
	Run        Meta                `json:"run"`
	Complete   bool                `json:"complete"` // false: a checkpoint of a run that was still going on
	Start      time.Time           `json:"start"`
	End        time.Time           `json:"end"`
	Seconds    float64             `json:"seconds"`
	Verdict    *verdict.Verdict    `json:"verdict,omitempty"`
	Answer     *answer.Answer      `json:"answer,omitempty"`     // to the question of the test's type
	Comparison *compare.Comparison `json:"comparison,omitempty"` // with its baseline
	Changes    []compare.Change    `json:"changes,omitempty"`    // of levels over the history that are to be told
	Total      Row                 `json:"total"`
	Requests   []Row               `json:"requests"`
	Failures   []Failure           `json:"failures"`
	Checks     []Check             `json:"checks"`
	Exceptions []Exception         `json:"exceptions"`
	Classes    []Class             `json:"classes"`
	Books      Books               `json:"books"`
	Outlets    []outlet.Books      `json:"outlets,omitempty"`   // their accounts over the run, in samples
	Lateness   Times               `json:"lateness"`            // of the generator, over all classes
	Blocked    Times               `json:"blocked"`             // how long due iterations waited for a free user
	Generator  *Generator          `json:"generator,omitempty"` // how it did itself
	Phases     []Phase             `json:"phases"`
	Servers    []Server            `json:"servers,omitempty"`   // what was scraped, once the run is over
	Resources  []Resource          `json:"resources,omitempty"` // of these, over time
	Faults     []Fault             `json:"faults,omitempty"`    // once the run is over
	UsersPeak  int                 `json:"users_peak"`
	Series     []Point             `json:"series"`
	Events     []Event             `json:"events"`
	Warnings   []string            `json:"warnings"`
	Folder     string              `json:"folder,omitempty"` // of the run, where it was written
}

// Meta says which run it is, apart from what was measured. MetaOf fills it from a plan; Run, Version and Seed are the
// caller's.
type Meta struct {
	ID       string            `json:"id"`
	Version  string            `json:"version"` // of tidegauge
	Plan     string            `json:"plan"`
	PlanFile string            `json:"plan_file"`
	Labels   map[string]string `json:"labels,omitempty"`
	Test     string            `json:"test"`
	Type     plan.Type         `json:"type"`
	Target   string            `json:"target"`
	Against  string            `json:"against,omitempty"` // the target that took turns with it
	Seed     uint64            `json:"seed,string"`
	Shape    Shape             `json:"shape"`
	Machine  Machine           `json:"machine"`
	Work     string            `json:"work,omitempty"` // what the test does, as a short hash: plan.Plan.Work

	TargetVersion string `json:"target_version,omitempty"` // of the system under test
	Commit        string `json:"commit,omitempty"`
	Branch        string `json:"branch,omitempty"`
}

// Shape is the load that was asked for.
type Shape struct {
	Model    plan.Model `json:"model"`
	Text     string     `json:"text"`
	Seconds  float64    `json:"seconds"`
	MaxUsers int        `json:"max_users,omitempty"` // open model
	Poisson  bool       `json:"poisson,omitempty"`
	Stages   []Stage    `json:"stages"`
}

// Stage is one stage of a shape: linear from From to To, arrivals per second or users.
type Stage struct {
	Phase   string  `json:"phase"`
	From    float64 `json:"from"`
	To      float64 `json:"to"`
	Seconds float64 `json:"seconds"`
}

// Machine is where the generator ran.
type Machine struct {
	Host string `json:"host"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// Times is a distribution, in seconds. Quantiles are exact to 0.27%, the width of a bucket.
type Times struct {
	Count uint64  `json:"count"`
	Min   float64 `json:"min"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

// Row is what was measured of one request of one class, or of all requests.
type Row struct {
	Class         string            `json:"class,omitempty"`
	Name          string            `json:"name,omitempty"`
	Method        string            `json:"method,omitempty"`
	Count         uint64            `json:"count"` // finished, failures included
	Failures      uint64            `json:"failures"`
	Cut           uint64            `json:"cut"`      // ended by us; in nothing else of the row
	Rate          float64           `json:"rate"`     // finished per second of the run
	Response      Times             `json:"response"` // from the intended start
	Service       Times             `json:"service"`  // from the send
	BytesSent     uint64            `json:"bytes_sent"`
	BytesReceived uint64            `json:"bytes_received"`
	Outcomes      map[string]uint64 `json:"outcomes"` // those there were
}

// Failure is one kind of failure of one request.
type Failure struct {
	Class   string   `json:"class"`
	Name    string   `json:"name"`
	Method  string   `json:"method"`
	Outcome string   `json:"outcome"`
	Count   uint64   `json:"count"`
	Samples []Sample `json:"samples"` // the most frequent
}

// Sample is the text that went with a failure, and how often.
type Sample struct {
	Detail string    `json:"detail"`
	Count  uint64    `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// Check is the result of one check of the plan.
type Check struct {
	Class  string `json:"class"`
	Name   string `json:"name"`
	Method string `json:"method"`
	Check  string `json:"check"`
	Passed uint64 `json:"passed"`
	Failed uint64 `json:"failed"`
}

// Exception is an expression of the plan that failed while running.
type Exception struct {
	Task    string    `json:"task"`
	Message string    `json:"message"`
	Count   uint64    `json:"count"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// Class is what was measured of one user class.
type Class struct {
	Class      string  `json:"class"`
	Iterations Account `json:"iterations"`
	Duration   Times   `json:"duration"` // of finished iterations, from the intended start
	Lateness   Times   `json:"lateness"`
	Exceptions uint64  `json:"exceptions"`
}

// Account is measure.Books as the JSON form has it.
type Account struct {
	Intended uint64 `json:"intended"`
	Started  uint64 `json:"started"`
	Dropped  uint64 `json:"dropped"`
	Finished uint64 `json:"finished"`
	Cut      uint64 `json:"cut"`
	Balanced bool   `json:"balanced"`
}

func accountOf(b measure.Books) Account {
	return Account{b.Intended, b.Started, b.Dropped, b.Finished, b.Cut, b.Balanced()}
}

// Books are the accounts of the run.
type Books struct {
	Iterations Account `json:"iterations"`
	Requests   Account `json:"requests"`
}

// Phase is the distribution of one phase of the requests.
type Phase struct {
	Phase string `json:"phase"`
	Times Times  `json:"times"`
}

// Server is one target that was scraped while the run lasted.
type Server struct {
	Job       string `json:"job"`
	Instance  string `json:"instance,omitempty"`   // missing: the job found no target
	URL       string `json:"url,omitempty"`        // missing: it was gone at the end, or is read by tidegauge itself
	Scrapes   int    `json:"scrapes"`              // how often it was scraped
	Up        int    `json:"up"`                   // how often that succeeded
	Samples   int    `json:"samples"`              // the most that one scrape gave
	LastError string `json:"last_error,omitempty"` // of the last scrape before the end
}

// Resource is one of the servers' own metrics while the run lasted.
type Resource struct {
	Name   string     `json:"name"`   // resident memory, cpu (Go process), …
	Server string     `json:"server"` // job and instance, and what tells apart what one server has several of
	Unit   string     `json:"unit"`   // By, ratio, s, 1
	Limit  *float64   `json:"limit,omitempty"`
	At     float64    `json:"at"`     // of the first value, since the start of the run
	Step   float64    `json:"step"`   // from one value to the next
	Values []*float64 `json:"values"` // null: none
}

// Fault is something that was broken while the run lasted. Moments count from the start of the run; one that did not come is
// left out. It was certainly in force from Start to Undoing, and certainly not before Asked or after End.
type Fault struct {
	Name    string   `json:"name"`
	Target  string   `json:"target,omitempty"`
	At      float64  `json:"at"` // as planned
	For     float64  `json:"for"`
	Asked   *float64 `json:"asked,omitempty"` // starting it began
	Start   *float64 `json:"start,omitempty"`
	Undoing *float64 `json:"undoing,omitempty"` // undoing it began
	End     *float64 `json:"end,omitempty"`
	Undone  bool     `json:"undone"`
	Error   string   `json:"error,omitempty"`
}

// Point is one piece of the run, for charts.
type Point struct {
	At         float64 `json:"at"` // its beginning, since the start of the run
	Seconds    float64 `json:"seconds"`
	Requests   uint64  `json:"requests"`
	Failures   uint64  `json:"failures"`
	Rate       float64 `json:"rate"`                  // finished requests per second
	TargetRate float64 `json:"target_rate,omitempty"` // open model: intended arrivals of iterations per second at its end
	Users      int     `json:"users"`                 // at most
	P50        float64 `json:"p50,omitempty"`         // of response time; like the following left out where nothing finished
	P95        float64 `json:"p95,omitempty"`
	P99        float64 `json:"p99,omitempty"`
	Max        float64 `json:"max,omitempty"`
}

// Event is something that happened at a moment.
type Event struct {
	At   float64 `json:"at"`   // since the start of the run
	Kind string  `json:"kind"` // phase, stop, abort, fault, …
	Text string  `json:"text"`
}
