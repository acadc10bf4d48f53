package grafana

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// view is what Grafana knows when it fills in a query: the time range, the data source's scrape interval, and what is
// chosen. The rules are those of Grafana's own code (@grafana/data rangeUtil, @grafana/prometheus escaping, and its
// Prometheus backend's calculation of $__rate_interval).
type view struct {
	from, to time.Time
	scrape   time.Duration
	vars     map[string]choice
}

// choice is the value of a variable.
type choice struct {
	values []string
	multi  bool
	all    string // chosen, when not empty: Grafana puts it in as it stands
}

const panelWidth = 600 // pixels, and so the most data points of a panel that does not say

// interval is $__interval and the step of a range query.
func (v *view) interval(maxDataPoints int) time.Duration {
	if maxDataPoints == 0 {
		maxDataPoints = panelWidth
	}
	exact := v.to.Sub(v.from) / time.Duration(maxDataPoints)
	rounded := 24 * time.Hour
	for _, r := range []struct{ below, to time.Duration }{
		{1500 * time.Millisecond, time.Second},
		{3500 * time.Millisecond, 2 * time.Second},
		{7500 * time.Millisecond, 5 * time.Second},
		{12500 * time.Millisecond, 10 * time.Second},
		{17500 * time.Millisecond, 15 * time.Second},
		{25 * time.Second, 20 * time.Second},
		{45 * time.Second, 30 * time.Second},
		{90 * time.Second, time.Minute},
		{210 * time.Second, 2 * time.Minute},
		{450 * time.Second, 5 * time.Minute},
		{750 * time.Second, 10 * time.Minute},
		{1050 * time.Second, 15 * time.Minute},
		{1500 * time.Second, 20 * time.Minute},
		{45 * time.Minute, 30 * time.Minute},
		{90 * time.Minute, time.Hour},
		{270 * time.Minute, 3 * time.Hour},
		{9 * time.Hour, 6 * time.Hour},
		{24 * time.Hour, 12 * time.Hour},
	} {
		if exact < r.below {
			rounded = r.to
			break
		}
	}
	return max(rounded, v.scrape)
}

// rateInterval is $__rate_interval.
func (v *view) rateInterval(interval time.Duration) time.Duration {
	return max(interval+v.scrape, 4*v.scrape)
}

var variable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)\}`)

// expand fills in the variables of a query. An unknown one is an error: Grafana would leave it as it stands.
func (v *view) expand(text string, maxDataPoints int) (string, error) {
	interval := v.interval(maxDataPoints)
	var unknown error
	out := variable.ReplaceAllStringFunc(text, func(s string) string {
		name := strings.Trim(s, "${}")
		switch name {
		case "__interval":
			return fmt.Sprint(interval.Seconds(), "s")
		case "__rate_interval":
			return fmt.Sprint(v.rateInterval(interval).Seconds(), "s")
		case "__range":
			return fmt.Sprint(int(v.to.Sub(v.from).Seconds()), "s")
		}
		c, ok := v.vars[name]
		if !ok {
			unknown = fmt.Errorf("%q uses variable %s, which the dashboard does not have or has later", text, name)
			return s
		}
		return c.text()
	})
	return out, unknown
}

var regexpSigns = regexp.MustCompile(`[$^*{}\[\]+?.()|]`)

func (c choice) text() string {
	switch {
	case c.all != "":
		return c.all
	case !c.multi:
		return strings.NewReplacer(`\`, `\\`, `'`, `\\'`).Replace(c.values[0])
	}
	escaped := make([]string, len(c.values))
	for i, s := range c.values {
		escaped[i] = regexpSigns.ReplaceAllString(strings.ReplaceAll(s, `\`, `\\\\`), `\\$0`)
	}
	if len(escaped) == 1 {
		return escaped[0]
	}
	return "(" + strings.Join(escaped, "|") + ")"
}
