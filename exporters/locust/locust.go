// Package locust writes the four CSV files of Locust's --csv, so that what reads those goes on working, and reads results of Locust.
//
// Columns, order of rows, line ends and units are Locust's (locust/stats.py): times in whole milliseconds, averages,
// least and greatest as decimals, "N/A" for the percentiles of an entry without requests. Two things are better than
// there: response times count from the intended start, and percentiles come from a histogram with buckets 0.27% wide.
package locust

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
)

// currentWindow is over how many snapshots the "current" figures of the history are taken, as in Locust (10 s at one
// snapshot a second).
const currentWindow = 10

var (
	percentiles     = []float64{0.50, 0.66, 0.75, 0.80, 0.90, 0.95, 0.98, 0.99, 0.999, 0.9999, 1}
	percentileNames = []string{"50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%"}

	statsHeader = append([]string{"Type", "Name", "Request Count", "Failure Count", "Median Response Time",
		"Average Response Time", "Min Response Time", "Max Response Time", "Average Content Size", "Requests/s",
		"Failures/s"}, percentileNames...)
	historyHeader = slices.Concat([]string{"Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s"},
		percentileNames, []string{"Total Request Count", "Total Failure Count", "Total Median Response Time",
			"Total Average Response Time", "Total Min Response Time", "Total Max Response Time",
			"Total Average Content Size"})
	failuresHeader   = []string{"Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"}
	exceptionsHeader = []string{"Count", "Message", "Traceback", "Nodes"}
)

// Options say where the files go.
type Options struct {
	Prefix      string // files are Prefix_stats.csv, Prefix_stats_history.csv, Prefix_failures.csv, Prefix_exceptions.csv
	FullHistory bool   // a row per entry in the history, not only the aggregate
	Node        string // for the column Nodes of the exceptions
}

// Writer is a measure.Sink that keeps the four files up to date while a run lasts.
type Writer struct {
	o       Options
	history *os.File
	entries []entry // sorted by name and method, without the aggregate
	entryOf []int   // of each request of the run
	recent  []window
	pending window // since the last row of the history
	written int64  // timestamp of that row; at first of the start
}

// entry is a row of the statistics: everything of one name and method, whichever class asked.
type entry struct{ method, name string }

// window is what came within one interval: by entry, the aggregate last.
type window struct {
	length time.Duration
	sums   []measure.Sum
}

// add adds what came within a later interval.
func (w *window) add(length time.Duration, sums []measure.Sum) {
	w.length += length
	if w.sums == nil {
		w.sums = sums
		return
	}
	for i := range sums {
		addTo(&w.sums[i], &sums[i])
	}
}

// addTo adds what the history shows of current figures.
func addTo(sum, more *measure.Sum) {
	sum.ResponseTime.Merge(&more.ResponseTime)
	sum.Finished += more.Finished
	sum.Failed += more.Failed
}

// New creates the files with their headers. The folder must be there. Close the writer after the run.
func New(o Options) (*Writer, error) {
	w := &Writer{o: o}
	history, err := os.Create(o.Prefix + "_stats_history.csv")
	if err != nil {
		return nil, fmt.Errorf("writing CSV files %s_*.csv: %w", o.Prefix, err)
	}
	w.history = history
	err = errors.Join(
		w.append([][]string{historyHeader}),
		w.replace("_stats.csv", statsHeader, nil),
		w.replace("_failures.csv", failuresHeader, nil),
		w.replace("_exceptions.csv", exceptionsHeader, nil),
	)
	if err != nil {
		return nil, errors.Join(err, history.Close())
	}
	return w, nil
}

// Close closes the history file.
func (w *Writer) Close() error { return w.history.Close() }

// Consume implements measure.Sink: it rewrites the tables and adds to the history once a second. The end of the run, which
// mostly lies within the last second written, counts as the next.
func (w *Writer) Consume(_ context.Context, s *measure.Snapshot) error {
	totals := w.begin(s)
	return errors.Join(
		w.replace("_stats.csv", statsHeader, w.statsRows(totals, s.Time.Sub(s.Start))),
		w.replace("_failures.csv", failuresHeader, failureRows(s)),
		w.replace("_exceptions.csv", exceptionsHeader, w.exceptionRows(s)),
		w.historyOf(s, totals),
	)
}

// begin returns the totals of a snapshot by entry, which are known with the first.
func (w *Writer) begin(s *measure.Snapshot) []measure.Sum {
	if w.entries == nil {
		w.entries, w.entryOf = entriesOf(s.Names)
		w.written = s.Start.Unix()
	}
	return w.sums(s.Total)
}

// historyOf adds a snapshot to the history.
func (w *Writer) historyOf(s *measure.Snapshot, totals []measure.Sum) error {
	if length := s.Time.Sub(s.Since); length > 0 {
		w.pending.add(length, w.recentSums(s))
	}
	at := s.Time.Unix()
	if s.Final && at <= w.written {
		at = w.written + 1
	}
	if at == w.written || w.pending.length == 0 {
		return nil
	}
	w.recent = append(w.recent, w.pending)
	if len(w.recent) > currentWindow {
		w.recent = slices.Delete(w.recent, 0, 1)
	}
	w.pending, w.written = window{}, at
	return w.append(w.historyRows(s.PeakUsers, totals))
}

// entryFor names a request as Locust does: a name that begins with the method, as the plan's default, goes without it.
func entryFor(r measure.Request) entry {
	return entry{r.Method, strings.TrimPrefix(r.Name, r.Method+" ")}
}

// entriesOf returns the rows there will be, and which of them each request belongs to.
func entriesOf(names *measure.Names) (entries []entry, entryOf []int) {
	for _, r := range names.Requests {
		entries = append(entries, entryFor(r))
	}
	slices.SortFunc(entries, compareEntries)
	entries = slices.Compact(entries)
	for _, r := range names.Requests {
		i, _ := slices.BinarySearchFunc(entries, entryFor(r), compareEntries)
		entryOf = append(entryOf, i)
	}
	return entries, entryOf
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.method, b.method))
}

// sums returns the totals by entry, the aggregate last.
func (w *Writer) sums(t *measure.Totals) []measure.Sum {
	sums := make([]measure.Sum, len(w.entries)+1)
	for i := range t.Requests {
		one := measure.Totals{Requests: t.Requests[i : i+1]}
		sum := one.Sum(nil, nil)
		for _, k := range []int{w.entryOf[i], len(w.entries)} {
			addTo(&sums[k], &sum)
			sums[k].BodyBytes += sum.BodyBytes
		}
	}
	return sums
}

// recentSums returns what the history needs of an interval: all entries, or only the aggregate.
func (w *Writer) recentSums(s *measure.Snapshot) []measure.Sum {
	sums := w.sums(s.Delta)
	if w.o.FullHistory {
		return sums
	}
	return sums[len(sums)-1:]
}

func (w *Writer) statsRows(totals []measure.Sum, elapsed time.Duration) [][]string {
	rows := make([][]string, len(totals))
	for i := range totals {
		s := &totals[i]
		e := w.entry(i, len(totals))
		row := append([]string{e.method, e.name}, summaryColumns(s)...)
		row = append(row, perSecond(s.Finished, elapsed), perSecond(s.Failed, elapsed))
		rows[i] = append(row, percentileColumns(&s.ResponseTime, s.Finished > 0)...)
	}
	return rows
}

// entry names the i-th of n rows, the last of which is the aggregate.
func (w *Writer) entry(i, n int) entry {
	if i == n-1 {
		return entry{"", "Aggregated"}
	}
	return w.entries[i]
}

func (w *Writer) historyRows(users int, totals []measure.Sum) [][]string {
	if !w.o.FullHistory {
		totals = totals[len(totals)-1:]
	}
	rows := make([][]string, len(totals))
	for i := range totals {
		total := &totals[i]
		var current measure.Sum
		var length time.Duration
		for k := range w.recent {
			addTo(&current, &w.recent[k].sums[i])
			length += w.recent[k].length
		}
		e := w.entry(i, len(totals))
		row := []string{strconv.FormatInt(w.written, 10), strconv.Itoa(users), e.method, e.name,
			perSecond(current.Finished, length), perSecond(current.Failed, length)}
		row = append(row, percentileColumns(&current.ResponseTime, total.Finished > 0)...)
		rows[i] = append(row, summaryColumns(total)...)
	}
	return rows
}

// summaryColumns are Request Count, Failure Count, Median, Average, Min, Max, Average Content Size.
func summaryColumns(s *measure.Sum) []string {
	size := 0.0
	if s.Finished > 0 {
		size = float64(s.BodyBytes) / float64(s.Finished)
	}
	return []string{
		strconv.FormatUint(s.Finished, 10),
		strconv.FormatUint(s.Failed, 10),
		wholeMilliseconds(s.ResponseTime.Quantile(0.5)),
		milliseconds(s.ResponseTime.Mean()),
		milliseconds(s.ResponseTime.Min()),
		milliseconds(s.ResponseTime.Max()),
		decimal(size),
	}
}

func percentileColumns(h *hist.Histogram, any bool) []string {
	columns := make([]string, len(percentiles))
	for i, p := range percentiles {
		columns[i] = "N/A"
		if any {
			columns[i] = wholeMilliseconds(h.Quantile(p))
		}
	}
	return columns
}

// errorText is the outcome and what went with it, without saying the same word twice.
func errorText(f measure.Failure) string {
	outcome := f.Outcome.String()
	if strings.HasPrefix(f.Detail, outcome+" ") {
		return f.Detail
	}
	return outcome + ": " + f.Detail
}

func failureRows(s *measure.Snapshot) [][]string {
	merged := map[[3]string]*measure.Failure{}
	for i := range s.Failures {
		f := s.Failures[i]
		r := s.Names.Requests[f.Request]
		key := [3]string{r.Method, entryFor(r).name, errorText(f)}
		m, ok := merged[key]
		if !ok {
			merged[key] = &f
			continue
		}
		m.Count += f.Count
		if f.First.Before(m.First) {
			m.First = f.First
		}
		if f.Last.After(m.Last) {
			m.Last = f.Last
		}
	}
	rows := make([][]string, 0, len(merged))
	for key, f := range merged {
		rows = append(rows, []string{key[0], key[1], key[2], strconv.FormatUint(f.Count, 10), moment(f.First), moment(f.Last)})
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

func (w *Writer) exceptionRows(s *measure.Snapshot) [][]string {
	rows := make([][]string, len(s.Exceptions))
	for i, e := range s.Exceptions {
		rows[i] = []string{strconv.FormatUint(e.Count, 10), e.Message, "task " + e.Task, w.o.Node}
	}
	return rows
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func perSecond(n uint64, d time.Duration) string {
	if d <= 0 {
		return "0.0"
	}
	return decimal(float64(n) / d.Seconds())
}

func wholeMilliseconds(seconds float64) string {
	return strconv.FormatFloat(seconds*1000, 'f', 0, 64)
}

func milliseconds(seconds float64) string { return decimal(seconds * 1000) }

// decimal formats as Python prints a float: always with a point.
func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !bytes.ContainsRune([]byte(text), '.') {
		text += ".0"
	}
	return text
}

func encode(rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	c := csv.NewWriter(&b)
	c.UseCRLF = true
	if err := c.WriteAll(rows); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// append adds rows to the history.
func (w *Writer) append(rows [][]string) error {
	b, err := encode(rows)
	if err == nil {
		_, err = w.history.Write(b)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", w.history.Name(), err)
	}
	return nil
}

// replace writes a table anew, whole or not at all: a reader meanwhile sees the old one.
func (w *Writer) replace(suffix string, header []string, rows [][]string) error {
	b, err := encode(append([][]string{header}, rows...))
	if err == nil {
		err = renameio.WriteFile(w.o.Prefix+suffix, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing %s%s: %w", w.o.Prefix, suffix, err)
	}
	return nil
}
