package history

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegauge/engine/hist"
	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

// The form of histograms.bin: the magic; how many classes, requests and checks; each class, request and check in turn.
// Numbers are unsigned varints (encoding/binary). A histogram is the length of its encoding (package hist) and that; an empty
// one has length 0. The outcomes and phases of a row are preceded by their number, so that there can be more of them one day.
const totalsMagic = "TGTOTALS1\n"

var errTruncated = errors.New("histograms are incomplete or damaged")

// encodeTotals encodes totals; nil is an empty run.
func encodeTotals(t *measure.Totals) ([]byte, error) {
	if t == nil {
		t = &measure.Totals{}
	}
	w := writer{b: []byte(totalsMagic)}
	w.numbers(uint64(len(t.Classes)), uint64(len(t.Requests)), uint64(len(t.Checks)))
	for i := range t.Classes {
		c := &t.Classes[i]
		w.books(c.Iterations)
		w.numbers(c.Exceptions)
		w.histogram(&c.IterationDuration)
		w.histogram(&c.Lateness)
		w.numbers(uint64(len(c.Phases)))
		for p := range c.Phases {
			w.histogram(&c.Phases[p])
		}
	}
	for i := range t.Requests {
		r := &t.Requests[i]
		w.books(r.Books)
		w.numbers(r.BytesSent, r.BytesReceived, uint64(len(r.Outcomes)))
		for k := range r.Outcomes {
			w.histogram(&r.Outcomes[k].ResponseTime)
			w.histogram(&r.Outcomes[k].ServiceTime)
		}
	}
	for _, c := range t.Checks {
		w.numbers(c.Passed, c.Failed)
	}
	return w.b, w.err
}

type writer struct {
	b   []byte
	err error
}

func (w *writer) numbers(n ...uint64) {
	for _, v := range n {
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *writer) books(b measure.Books) {
	w.numbers(b.Intended, b.Started, b.Dropped, b.Finished, b.Cut)
}

func (w *writer) histogram(h *hist.Histogram) {
	if h.Count() == 0 {
		w.numbers(0)
		return
	}
	b, err := h.AppendBinary(nil)
	if err != nil {
		w.err = errors.Join(w.err, err)
	}
	w.numbers(uint64(len(b)))
	w.b = append(w.b, b...)
}

// decodeTotals decodes what encodeTotals wrote; any other input is an error.
func decodeTotals(b []byte) (*measure.Totals, error) {
	if len(b) < len(totalsMagic) || string(b[:len(totalsMagic)]) != totalsMagic {
		return nil, errors.New("this is not a file of histograms, or one of another version")
	}
	r := reader{b: b[len(totalsMagic):]}
	// The least that a class, a request and a check take bounds how many there can be in what is left.
	classes, requests, checks := r.count(8), r.count(8), r.count(2)
	t := &measure.Totals{
		Classes: make([]measure.ClassTotals, classes), Requests: make([]measure.RequestTotals, requests), Checks: make([]measure.CheckTotals, checks),
	}
	for i := range t.Classes {
		c := &t.Classes[i]
		c.Iterations, c.Exceptions = r.books(), r.number()
		r.histogram(&c.IterationDuration)
		r.histogram(&c.Lateness)
		for p := range r.upTo(measure.Phases, "phases") {
			r.histogram(&c.Phases[p])
		}
	}
	for i := range t.Requests {
		q := &t.Requests[i]
		q.Books, q.BytesSent, q.BytesReceived = r.books(), r.number(), r.number()
		for k := range r.upTo(protocol.Outcomes, "outcomes") {
			r.histogram(&q.Outcomes[k].ResponseTime)
			r.histogram(&q.Outcomes[k].ServiceTime)
		}
	}
	for i := range t.Checks {
		t.Checks[i] = measure.CheckTotals{Passed: r.number(), Failed: r.number()}
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes follow the end of the histograms", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return t, nil
}

// reader reads until the first error, then nothing but zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.b, r.err = nil, err
	}
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items follow, each of at least size bytes.
func (r *reader) count(size int) int {
	n := r.number()
	if n > uint64(len(r.b)/size) {
		r.fail(errTruncated)
		return 0
	}
	return int(n)
}

func (r *reader) upTo(most int, what string) int {
	n := r.number()
	if n > uint64(most) {
		r.fail(fmt.Errorf("%d %s are more than this version knows (%d)", n, what, most))
		return 0
	}
	return int(n)
}

func (r *reader) books() measure.Books {
	return measure.Books{Intended: r.number(), Started: r.number(), Dropped: r.number(), Finished: r.number(), Cut: r.number()}
}

func (r *reader) histogram(h *hist.Histogram) {
	n := r.number()
	if n == 0 || r.err != nil {
		return
	}
	if n > uint64(len(r.b)) {
		r.fail(errTruncated)
		return
	}
	if err := h.UnmarshalBinary(r.b[:n]); err != nil {
		r.fail(err)
		return
	}
	r.b = r.b[n:]
}
