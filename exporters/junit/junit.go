// Package junit writes the verdict of a run as JUnit XML, for the test views of CI systems.
//
// There is one test suite for the run, and in it a test case for each objective, for each finding on the run as a whole, for the answer
// to the question of the test's type, and for the comparison with the baseline. What was missed is a failure; what could not be
// decided is an error, since it does not pass either; an objective that no server shows data for is skipped.
//
// The form is what Jenkins's junit-10.xsd describes, with the part of it that GitLab and the common actions for GitHub read: names,
// class names, times, properties, and messages as attributes and text.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/answer"
	"tidegauge/engine/compare"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

const (
	maxName = 500   // of a test case; views become unreadable long before
	maxText = 4_000 // of a message
)

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Time     string   `xml:"time,attr"`
	Suite    suite    `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Hostname   string     `xml:"hostname,attr,omitempty"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
	Out        string     `xml:"system-out,omitempty"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    string   `xml:"time,attr"`
	Skipped *skipped `xml:"skipped"`
	Error   *problem `xml:"error"`
	Failure *problem `xml:"failure"`
	Out     string   `xml:"system-out,omitempty"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Write writes the verdict of a run. Characters that XML 1.0 does not allow are left out.
func Write(w io.Writer, r *report.Report) error {
	s := suiteOf(r)
	out := suites{Name: "tidegauge", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: s.Time, Suite: s}
	text, err := xml.MarshalIndent(&out, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	}
	if err != nil {
		return fmt.Errorf("write run %s as JUnit XML: %w", r.Run.ID, err)
	}
	return nil
}

func suiteOf(r *report.Report) suite {
	m := &r.Run
	s := suite{
		Name: short(m.Plan+" / "+m.Test, maxName), Time: seconds(r.Seconds), Timestamp: r.Start.UTC().Format("2006-01-02T15:04:05"),
		Hostname: report.Clean(m.Machine.Host), Properties: properties(r),
	}
	c := cases{class: short(m.Plan+"."+m.Test, maxName), time: seconds(judged(r))}
	c.verdict(r)
	if r.Answer != nil {
		c.answer(r.Answer)
	}
	if r.Comparison != nil {
		c.comparison(r.Comparison)
	}
	s.Cases = c.list
	s.Tests = len(c.list)
	for i := range c.list {
		switch one := &c.list[i]; {
		case one.Failure != nil:
			s.Failures++
		case one.Error != nil:
			s.Errors++
		case one.Skipped != nil:
			s.Skipped++
		}
	}
	var out strings.Builder
	if r.Verdict != nil {
		fmt.Fprintf(&out, "%s: %s\n", strings.ToUpper(string(r.Verdict.Outcome)), short(r.Verdict.Summary, maxText))
		for _, w := range r.Verdict.Warnings {
			fmt.Fprintf(&out, "warning: %s\n", short(w, maxText))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", short(w, maxText))
	}
	s.Out = out.String()
	return s
}

// judged returns how long the part of the run was that was judged.
func judged(r *report.Report) float64 {
	if r.Verdict == nil || r.Verdict.Part == nil {
		return r.Seconds
	}
	length := r.Verdict.Part.To.Sub(r.Verdict.Part.From)
	for _, g := range r.Verdict.Part.Without {
		length -= g.To.Sub(g.From)
	}
	return max(length, 0).Seconds()
}

func properties(r *report.Report) []property {
	m := &r.Run
	var all []property
	add := func(name, value string) {
		if value != "" {
			all = append(all, property{short(name, maxName), short(value, maxText)})
		}
	}
	add("run", m.ID)
	add("test_type", string(m.Type))
	add("target", m.Target)
	add("load", m.Shape.Text)
	add("target_version", m.TargetVersion)
	add("commit", m.Commit)
	add("branch", m.Branch)
	add("seed", strconv.FormatUint(m.Seed, 10))
	add("tidegauge_version", m.Version)
	add("start", r.Start.UTC().Format(time.RFC3339))
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		add("label."+name, m.Labels[name])
	}
	number := func(name string, v float64) { add(name, strconv.FormatFloat(v, 'g', -1, 64)) }
	add("requests", strconv.FormatUint(r.Total.Count, 10))
	add("failed_requests", strconv.FormatUint(r.Total.Failures, 10))
	number("rate", r.Total.Rate)
	if r.Total.Response.Count > 0 {
		number("response_time_p50", r.Total.Response.P50)
		number("response_time_p95", r.Total.Response.P95)
		number("response_time_p99", r.Total.Response.P99)
	}
	add("folder", r.Folder)
	return all
}

// cases gathers the test cases.
type cases struct {
	class, time string
	list        []testCase
}

func (c *cases) add(name string) *testCase {
	c.list = append(c.list, testCase{Name: short(name, maxName), Class: c.class, Time: c.time})
	return &c.list[len(c.list)-1]
}

func (c *cases) verdict(r *report.Report) {
	v := r.Verdict
	if v == nil {
		one := c.add("run")
		one.Error = &problem{Message: "the run did not come to its end", Type: "unfinished", Text: "this is its last checkpoint; it was not judged"}
		return
	}
	for i := range v.Findings {
		f := &v.Findings[i]
		name := "run: " + strings.ReplaceAll(f.Code, "_", " ")
		if f.Objective != nil {
			name = f.Objective.Text
		}
		one := c.add(name)
		text := details(f)
		switch f.Outcome {
		case verdict.Fail:
			one.Failure = &problem{Message: short(f.Message, maxText), Type: f.Code, Text: text}
		case verdict.Inconclusive:
			one.Error = &problem{Message: short(f.Message, maxText), Type: f.Code, Text: text}
		case verdict.NoData:
			one.Skipped = &skipped{Message: short(f.Message, maxText)}
		default:
			one.Out = text
		}
	}
	if v.Outcome != verdict.Pass && v.Deciding() == nil || len(v.Findings) == 0 {
		one := c.add("run")
		switch v.Outcome {
		case verdict.Pass:
		case verdict.Fail:
			one.Failure = &problem{Message: short(v.Summary, maxText), Type: string(v.Outcome)}
		default:
			one.Error = &problem{Message: short(v.Summary, maxText), Type: string(v.Outcome)}
		}
	}
}

// details says in lines what there is to say of a finding.
func details(f *verdict.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", short(f.Message, maxText))
	if o := f.Objective; o != nil {
		if o.Value != nil {
			fmt.Fprintf(&b, "value: %s\n", verdict.Format(*o.Value, o.Unit))
			fmt.Fprintf(&b, "limit: %s\n", verdict.Format(o.Threshold, o.Unit))
		}
		if o.Low != nil || o.High != nil {
			fmt.Fprintf(&b, "95%% interval: %s\n", verdict.Interval(o.Low, o.High, o.Unit))
		}
		fmt.Fprintf(&b, "samples: %d\n", o.Samples)
		if o.Windows > 0 {
			fmt.Fprintf(&b, "windows: %d, missed: %d, skipped: %d\n", o.Windows, o.Missed, o.Skipped)
		}
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", short(w, maxText))
	}
	return b.String()
}

// answer adds the answer to the question of the test's type. Of what a standing other than good makes there is a finding already,
// which counts; so it is no failure again.
func (c *cases) answer(a *answer.Answer) {
	one := c.add(a.Question)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", short(a.Text, maxText))
	for i := range a.Figures {
		f := &a.Figures[i]
		title := f.Title
		if f.Subject != "" {
			title += " of " + f.Subject
		}
		fmt.Fprintf(&b, "%s: %s %s\n", short(title, maxText), report.FigureValue(f), report.FigureInterval(f))
	}
	for _, w := range a.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", short(w, maxText))
	}
	one.Out = b.String()
}

func (c *cases) comparison(x *compare.Comparison) {
	one := c.add("against the baseline")
	var b strings.Builder
	fmt.Fprintf(&b, "%s against %s: %s\n", x.Verdict, short(x.Baseline, maxText), short(x.Summary, maxText))
	for i := range x.Rows {
		if r := &x.Rows[i]; r.Telling() && r.Change != nil {
			fmt.Fprintf(&b, "%s: %s, %s\n", short(r.Name(), maxText), compare.Percent(r.Change), r.Verdict)
		}
	}
	if x.Verdict == stat.Regression && x.Confirmed { // what ends `tidegauge run` with an exit code of its own
		one.Failure = &problem{Message: short(x.Summary, maxText), Type: string(x.Verdict), Text: b.String()}
		return
	}
	one.Out = b.String()
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// short makes one clean line of at most n runes.
func short(s string, n int) string {
	s = report.Clean(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
