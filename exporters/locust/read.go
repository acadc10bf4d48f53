package locust

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Results are those of a run of Locust as its files have them.
type Results struct {
	Start, End time.Time // zero: the file does not say
	Total      Entry
	Entries    []Entry
}

// Entry is one name and method, or all of them. Times are in seconds.
type Entry struct {
	Method, Name       string
	Requests, Failures uint64
	Rate               float64 // requests per second
	Min, Mean, Max     float64
	Quantiles          map[float64]float64 // by q; of all requests, failed ones too
}

// maxInput is how much is read of one file.
const maxInput = 64 << 20

// Read reads PREFIX_stats.csv of --csv, or what --json prints and --json-file writes.
func Read(r io.Reader) (*Results, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = fmt.Errorf("it is longer than %d MiB", maxInput>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read results of Locust: %w", err)
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	var found *Results
	if text := bytes.TrimSpace(b); len(text) > 0 && text[0] == '[' {
		found, err = readJSON(text)
	} else {
		found, err = readStats(b)
	}
	if err != nil {
		return nil, fmt.Errorf("read results of Locust: %w", err)
	}
	if found.Total.Requests == 0 {
		return nil, errors.New("read results of Locust: they have no requests")
	}
	return found, nil
}

// aggregated is the name of the row of all requests.
const aggregated = "Aggregated"

func readStats(b []byte) (*Results, error) {
	c := csv.NewReader(bytes.NewReader(b))
	c.FieldsPerRecord = -1
	header, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("expected PREFIX_stats.csv or the JSON of --json: %w", err)
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	for _, name := range []string{"Type", "Name", "Request Count", "Failure Count", "Requests/s", "50%", "95%"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("the column %q is missing: expected PREFIX_stats.csv or the JSON of --json", name)
		}
	}
	if _, ok := column["Timestamp"]; ok {
		return nil, errors.New("it is PREFIX_stats_history.csv: expected PREFIX_stats.csv beside it")
	}
	var all Results
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return &all, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := c.FieldPos(0)
		e, err := statsEntry(row, column)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if e.Name == aggregated && e.Method == "" {
			all.Total = e
		} else {
			all.Entries = append(all.Entries, e)
		}
	}
}

func statsEntry(row []string, column map[string]int) (e Entry, err error) {
	text := func(name string) string {
		if i, ok := column[name]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	number := func(name string) float64 {
		t := text(name)
		if t == "" || t == "N/A" {
			return 0
		}
		v, bad := strconv.ParseFloat(t, 64)
		if (bad != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0) && err == nil {
			err = fmt.Errorf("%s is %q, expected a number", name, t)
		}
		return v
	}
	const milli = 1e-3
	e = Entry{
		Method: text("Type"), Name: text("Name"), Requests: count(number("Request Count")), Failures: count(number("Failure Count")), Rate: number("Requests/s"),
		Min: number("Min Response Time") * milli, Mean: number("Average Response Time") * milli, Max: number("Max Response Time") * milli,
		Quantiles: map[float64]float64{},
	}
	for i, name := range percentileNames {
		if v := number(name); v > 0 {
			e.Quantiles[percentiles[i]] = v * milli
		}
	}
	return e, err
}

// count makes a number of requests of what a file has.
func count(v float64) uint64 {
	if !(v > 0) {
		return 0
	}
	return uint64(min(v, 1<<53))
}

// jsonEntry is an entry as --json has it: StatsEntry.serialize of Locust.
type jsonEntry struct {
	Name     string             `json:"name"`
	Method   *string            `json:"method"`
	Last     *float64           `json:"last_request_timestamp"`
	Start    float64            `json:"start_time"`
	Requests float64            `json:"num_requests"`
	None     float64            `json:"num_none_requests"`
	Failures float64            `json:"num_failures"`
	Total    float64            `json:"total_response_time"`
	Max      float64            `json:"max_response_time"`
	Min      *float64           `json:"min_response_time"`
	Times    map[string]float64 `json:"response_times"` // milliseconds, rounded to two digits → how many
}

func readJSON(b []byte) (*Results, error) {
	var list []jsonEntry
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("expected the JSON of --json: %w", err)
	}
	var all Results
	sums := map[float64]float64{}
	var total, none, time0, time1 float64
	all.Total = Entry{Name: aggregated, Min: math.Inf(1)}
	for i := range list {
		j := &list[i]
		times, err := j.times()
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", j.Name, err)
		}
		e := Entry{Name: j.Name, Requests: count(j.Requests), Failures: count(j.Failures), Max: j.Max / 1e3, Quantiles: quantilesOf(times)}
		if j.Method != nil {
			e.Method = *j.Method
		}
		if j.Min != nil {
			e.Min = *j.Min / 1e3
			all.Total.Min = min(all.Total.Min, e.Min)
		}
		if n := j.Requests - j.None; n > 0 {
			e.Mean = j.Total / n / 1e3
		}
		if j.Last != nil && *j.Last > j.Start {
			e.Rate = j.Requests / (*j.Last - j.Start)
			time1 = max(time1, *j.Last)
		}
		if j.Start > 0 && (time0 == 0 || j.Start < time0) {
			time0 = j.Start
		}
		all.Total.Requests, all.Total.Failures, all.Total.Max = all.Total.Requests+e.Requests, all.Total.Failures+e.Failures, max(all.Total.Max, e.Max)
		total, none = total+j.Total, none+j.None
		for t, n := range times {
			sums[t] += n
		}
		all.Entries = append(all.Entries, e)
	}
	t := &all.Total
	if math.IsInf(t.Min, 0) {
		t.Min = 0
	}
	t.Quantiles = quantilesOf(sums)
	if n := float64(t.Requests) - none; n > 0 {
		t.Mean = total / n / 1e3
	}
	const latest = 1 << 33 // of seconds since 1970 that are still a time
	if time1 > time0 && time0 > 0 && time1 < latest {
		t.Rate = float64(t.Requests) / (time1 - time0)
		all.Start, all.End = sinceEpoch(time0), sinceEpoch(time1)
	}
	return &all, nil
}

func sinceEpoch(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)).UTC() }

// times returns the response times in seconds, and how many of each there were.
func (j *jsonEntry) times() (map[float64]float64, error) {
	times := make(map[float64]float64, len(j.Times))
	for text, n := range j.Times {
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(ms) || math.IsInf(ms, 0) || ms < 0 || n < 0 || math.IsInf(n, 0) {
			return nil, fmt.Errorf("response_times has %q: %v, expected milliseconds and how many", text, n)
		}
		times[ms/1e3] += n
	}
	for _, v := range []float64{j.Requests, j.None, j.Failures, j.Total, j.Max, j.Start} {
		if v < 0 {
			return nil, fmt.Errorf("%v is negative", v)
		}
	}
	return times, nil
}

// quantilesOf returns the quantiles of rounded times, as Locust takes them: the least time that at least so many are not above.
func quantilesOf(times map[float64]float64) map[float64]float64 {
	type part struct{ t, n float64 }
	var parts []part
	all := 0.0
	for t, n := range times {
		parts, all = append(parts, part{t, n}), all+n
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.t, b.t) })
	quantiles := map[float64]float64{}
	if !(all > 0) {
		return quantiles
	}
	for _, q := range percentiles {
		sum := 0.0
		for _, p := range parts {
			if sum += p.n; sum >= q*all*(1-1e-12) {
				if p.t > 0 {
					quantiles[q] = p.t
				}
				break
			}
		}
	}
	return quantiles
}
