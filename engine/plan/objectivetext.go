package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/document"
)

// parsedObjective is an objective with the places of its labels.
type parsedObjective struct {
	Objective
	labels []label
}

// label is one label of a selector, with the offset of its value.
type label struct {
	name, value string
	offset      int
}

// The words of objectives.
var (
	metricWords = []string{"p95", "median", "mean", "max", "error_rate", "rate", "count", "failures", "check_rate"}
	metricForm  = "p50, p95, p99.9 or another quantile, median, mean, max, error_rate, rate, count, failures, check_rate or a figure of the test's answer, as recovery_time"
	labelWords  = []string{"name", "class", "method", "check"}
)

// objectiveText reads
//
//	[service.]metric[{label="value", …}] op threshold [for duration][, abort]
//
// from left to right. The first mistake ends it.
type objectiveText struct {
	text string
	at   int
	err  *objectiveError
}

func parseObjective(text string) (parsedObjective, *objectiveError) {
	p := objectiveText{text: text}
	o := parsedObjective{Objective: Objective{Text: document.OneLine(text)}}
	p.metric(&o)
	p.selector(&o)
	p.comparison(&o)
	p.rest(&o)
	return o, p.err
}

func (p *objectiveText) wrong(offset int, format string, args ...any) {
	if p.err == nil {
		p.err = &objectiveError{offset, fmt.Sprintf(format, args...)}
	}
}

func (p *objectiveText) space() {
	p.at = len(p.text) - len(strings.TrimLeft(p.text[p.at:], " \t\n"))
}

// take returns the longest run of bytes for which is holds, after white space, and where it begins.
func (p *objectiveText) take(is func(byte) bool) (word string, offset int) {
	p.space()
	offset = p.at
	for p.at < len(p.text) && is(p.text[p.at]) {
		p.at++
	}
	return p.text[offset:p.at], offset
}

// accept takes one byte, if it comes next.
func (p *objectiveText) accept(b byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == b {
		p.at++
		return true
	}
	return false
}

// found describes what comes next, for errors.
func (p *objectiveText) found() string {
	p.space()
	if p.at == len(p.text) {
		return "the objective ends"
	}
	end := strings.IndexAny(p.text[p.at:], " \t\n")
	if end <= 0 {
		end = len(p.text) - p.at
	}
	return "found " + document.Quoted(p.text[p.at:p.at+end])
}

func isWordByte(b byte) bool {
	return b == '_' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func (p *objectiveText) metric(o *parsedObjective) {
	word, offset := p.take(isWordByte)
	if word == "" {
		p.wrong(offset, "%s, expected a metric: %s", p.found(), metricForm)
		return
	}
	parsed, at, err := parseMetric(word)
	if err != nil {
		p.wrong(offset+at, "%v", err)
		return
	}
	o.Metric, o.Quantile, o.Service, o.Figure = parsed.Metric, parsed.Quantile, parsed.Service, parsed.Figure
}

// parseMetric reads the name of a metric. offset is where a mistake is; without one, the length of the name.
func parseMetric(word string) (o Objective, offset int, err error) {
	name, service := strings.CutPrefix(word, "service.")
	o.Service = service
	offset = len(word) - len(name)
	if number, ok := strings.CutPrefix(name, "p"); ok && number != "" && strings.Trim(number, "0123456789.") == "" {
		quantile, err := strconv.ParseFloat(number+"e-2", 64) // 99.9 / 100 is not 0.999
		if err != nil || quantile <= 0 || quantile >= 1 {
			return o, offset, fmt.Errorf("%s is no quantile, expected one between p0 and p100, such as p99.9 (max is the largest)", document.Quoted(name))
		}
		o.Metric, o.Quantile = Quantile, quantile
		return o, len(word), nil
	}
	switch Metric(name) {
	case "median":
		o.Metric, o.Quantile = Quantile, 0.5
	case Mean, Maximum:
		o.Metric = Metric(name)
	case ErrorRate, Rate, Count, Failures, CheckRate:
		if service {
			return o, 0, fmt.Errorf("%s has no service time, expected %s by itself, or service. before a quantile, mean or max", name, name)
		}
		o.Metric = Metric(name)
	default:
		if metric := figureNamed(name); metric != "" && !service {
			o.Metric, o.Figure = Figure, metric
			return o, len(word), nil
		}
		if near := document.Nearest(name, append(figureWords(), metricWords...)); near != "" {
			return o, offset, fmt.Errorf("unknown metric %s, did you mean %s?", document.Quoted(name), near)
		}
		return o, offset, fmt.Errorf("unknown metric %s, expected %s", document.Quoted(name), metricForm)
	}
	return o, len(word), nil
}

func (p *objectiveText) selector(o *parsedObjective) {
	if p.err != nil || !p.accept('{') {
		return
	}
	for p.err == nil && !p.accept('}') {
		if len(o.labels) > 0 && !p.accept(',') {
			p.wrong(p.at, "%s, expected , or }", p.found())
			return
		}
		if len(o.labels) > 0 && p.accept('}') {
			break
		}
		p.label(o)
	}
	for _, l := range o.labels {
		if o.Selector == nil {
			o.Selector = map[string]string{}
		}
		o.Selector[l.name] = l.value
	}
}

func (p *objectiveText) label(o *parsedObjective) {
	name, offset := p.take(isWordByte)
	words := labelWords
	if o.Metric == Figure {
		words = []string{"subject"}
	}
	switch {
	case name == "":
		p.wrong(offset, "%s, expected a label: %s", p.found(), document.OneOf(words))
		return
	case !slices.Contains(words, name):
		p.wrong(offset, "%s", document.UnknownName("label", name, words))
		return
	case slices.ContainsFunc(o.labels, func(l label) bool { return l.name == name }):
		p.wrong(offset, "%s is given twice, expected once", name)
		return
	case name == "check" && o.Metric != CheckRate:
		p.wrong(offset, "the label check is for check_rate, expected name, class or method")
		return
	}
	if op, offset := p.take(isOperator); op != "=" {
		p.wrong(offset, "%s after %s, expected = and the value in quotes", p.describe(op), name)
		return
	}
	p.space()
	start := p.at
	v, ok := p.quoted()
	if !ok {
		p.wrong(start, "%s, expected the value of %s in quotes", p.found(), name)
		return
	}
	o.labels = append(o.labels, label{name, v, start})
}

func (p *objectiveText) describe(word string) string {
	if word == "" {
		return p.found()
	}
	return "found " + document.Quoted(word)
}

// quoted takes text in single or double quotes; a backslash takes away what the next character means.
func (p *objectiveText) quoted() (string, bool) {
	if p.at == len(p.text) || p.text[p.at] != '"' && p.text[p.at] != '\'' {
		return "", false
	}
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == p.text[p.at]:
			p.at = i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func isOperator(b byte) bool { return strings.IndexByte("<>=!~", b) >= 0 }

func (p *objectiveText) comparison(o *parsedObjective) {
	if p.err != nil {
		return
	}
	op, offset := p.take(isOperator)
	if !slices.Contains([]string{"<", "<=", ">", ">=", "=="}, op) {
		p.wrong(offset, "%s, expected a comparison: <, <=, >, >= or ==", p.describe(op))
		return
	}
	exact := slices.Contains([]Metric{ErrorRate, CheckRate, Count, Failures}, o.Metric) || o.Metric == Figure && o.FigureUnit() == "1"
	if op == "==" && !exact {
		p.wrong(offset, "a time or a rate is never exactly something, expected <, <=, > or >=")
		return
	}
	o.Op = op
	text, offset := p.take(func(b byte) bool { return b > ' ' && b != ',' })
	if text == "" {
		p.wrong(offset, "%s, expected what to compare with: %s", p.found(), thresholdForm(&o.Objective))
		return
	}
	v, err := parseThreshold(&o.Objective, text)
	if err != nil {
		p.wrong(offset, "%v, expected %s", err, thresholdForm(&o.Objective))
		return
	}
	o.Threshold = v
}

func thresholdForm(o *Objective) string {
	switch o.Metric {
	case Figure:
		return cmp.Or(figureForm(o), "a whole number")
	case ErrorRate, CheckRate:
		return document.RatioForm
	case Rate:
		return document.RateForm
	case Count, Failures:
		return "a whole number"
	}
	return document.DurationForm
}

func parseThreshold(o *Objective, text string) (float64, error) {
	switch o.Metric {
	case Figure:
		return parseFigure(o, text)
	case ErrorRate, CheckRate:
		return document.ParseRatio(text)
	case Rate:
		return document.ParseRate(text)
	case Count, Failures:
		n, err := document.ParseWhole(0, 1<<53)(text)
		return float64(n), err
	}
	var v time.Duration
	v, err := document.ParseDuration(text)
	return v.Seconds(), err
}

// rest reads what may follow the comparison.
func (p *objectiveText) rest(o *parsedObjective) {
	if p.err != nil {
		return
	}
	p.space()
	if begin := p.at; o.Metric == Figure && begin < len(p.text) {
		p.wrong(begin, "%s, expected the end: a figure of the answer is known once the run is over", p.found())
		return
	}
	if word, _ := p.take(isWordByte); word == "for" {
		text, offset := p.take(func(b byte) bool { return b > ' ' && b != ',' })
		d, err := document.ParseDuration(text)
		if err == nil && d == 0 {
			err = fmt.Errorf("%s is no time", document.Quoted(text))
		}
		if err != nil {
			p.wrong(offset, "%v, expected %s", err, document.DurationForm)
			return
		}
		o.For = d
	} else {
		p.at -= len(word)
	}
	if p.accept(',') {
		word, offset := p.take(isWordByte)
		if word != "abort" {
			p.wrong(offset, "%s, expected abort", p.describe(word))
			return
		}
		o.Abort = true
	}
	if p.space(); p.at < len(p.text) {
		p.wrong(p.at, "%s, expected for and a duration, \", abort\" or the end", p.found())
	}
}
