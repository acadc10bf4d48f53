package store

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

const maxPoints = 11_000 // of one series in the answer of query_range; Prometheus's own limit

// The bounds of time in the API: what clients send for "ever".
func minTime() time.Time { return time.Unix(math.MinInt64/1000+62135596801, 0).UTC() }
func maxTime() time.Time { return time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC() }

func parseTime(s string) (time.Time, error) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		// Beyond that, milliseconds do not fit in an int64; NaN fails the comparison too.
		if !(math.Abs(v) <= math.MaxInt64/1000) {
			return time.Time{}, fmt.Errorf("time %q is out of range", s)
		}
		seconds, fraction := math.Modf(v)
		return time.Unix(int64(seconds), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, t := range []time.Time{minTime(), maxTime()} { // their years have too many digits for time.Parse
		if s == t.Format(time.RFC3339Nano) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp: give seconds since 1970 or RFC 3339", s)
}

func parseDuration(s string) (time.Duration, error) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		if ns := v * float64(time.Second); math.Abs(ns) < math.MaxInt64 {
			return time.Duration(ns), nil
		}
		return 0, fmt.Errorf("duration %q is out of range", s)
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("cannot parse %q to a valid duration: give seconds or a duration such as 30s", s)
	}
	return time.Duration(d), nil
}

// params reads the parameters of one request and keeps the first mistake, so that a caller checks once.
type params struct {
	r   *http.Request
	err error
}

func (p *params) fail(name string, err error) {
	if p.err == nil {
		p.err = &apiError{badData, fmt.Errorf("invalid parameter %q: %w", name, err)}
	}
}

func (p *params) time(name string, absent time.Time) time.Time {
	s := p.r.FormValue(name)
	if s == "" {
		return absent
	}
	t, err := parseTime(s)
	if err != nil {
		p.fail(name, err)
	}
	return t
}

// needTime is time for a parameter that has to be there.
func (p *params) needTime(name string) time.Time {
	t, err := parseTime(p.r.FormValue(name))
	if err != nil {
		p.fail(name, err)
	}
	return t
}

func (p *params) duration(name string) time.Duration {
	s := p.r.FormValue(name)
	if s == "" {
		return 0
	}
	d, err := parseDuration(s)
	if err != nil {
		p.fail(name, err)
	}
	return d
}

// limit returns how many results are wanted; 0 is all.
func (p *params) limit(name string) int {
	s := p.r.FormValue(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("must not be negative")
	}
	if err != nil {
		p.fail(name, err)
	}
	return n
}

// span reads start and end, which default to for ever.
func (p *params) span() (start, end time.Time) {
	start, end = p.time("start", minTime()), p.time("end", maxTime())
	if end.Before(start) {
		p.fail("end", errors.New("end timestamp must not be before start timestamp"))
	}
	return start, end
}

// matchers reads the series selectors in match[].
func (p *params) matchers(s *Store) [][]*labels.Matcher {
	sets, err := s.parser.ParseMetricSelectors(p.r.Form["match[]"])
	if err != nil {
		p.fail("match[]", err)
		return nil
	}
	for _, set := range sets {
		if !selects(set) {
			p.fail("match[]", errors.New("must contain at least one non-empty matcher"))
		}
	}
	return sets
}

func selects(set []*labels.Matcher) bool {
	for _, m := range set {
		if m != nil && !m.Matches("") {
			return true
		}
	}
	return false
}
