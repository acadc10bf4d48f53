package measure

import (
	"bytes"
	"encoding"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/protocol"
)

var (
	_ encoding.BinaryAppender    = (*Totals)(nil)
	_ encoding.BinaryUnmarshaler = (*Totals)(nil)
)

// record makes n random observations, iterations and checks.
func record(r *Recorder, seed uint64, n int) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		s := r.Shard(i)
		request := rnd.IntN(len(r.names.Requests))
		class := s.classOf[request]
		now := noon.Add(time.Duration(i) * time.Millisecond)
		s.Intend(class, 1)
		s.StartIteration(class, now, now.Add(time.Duration(rnd.IntN(3))), now.Add(time.Duration(rnd.IntN(1e6))))
		finish(s, request, protocol.Outcome(rnd.IntN(protocol.Outcomes)), time.Duration(rnd.ExpFloat64()*5e7))
		s.FinishIteration(class, now, now.Add(time.Duration(rnd.IntN(1e9))))
		if len(r.names.Checks) > 0 {
			s.Check(rnd.IntN(len(r.names.Checks)), rnd.IntN(10) > 0)
		}
		if i%100 == 0 {
			r.Except(class, "task", "message", now)
			s.Exhaust(class, protocol.Resource(1+rnd.IntN(protocol.Resources-1)))
		}
	}
}

func recorded(names *Names, seed uint64, n int) *Totals {
	r := New(names, Options{Shards: 2})
	record(r, seed, n)
	return take(r)
}

func TestSum(t *testing.T) {
	names := &Names{
		Classes: []string{"A", "B"},
		Requests: []Request{
			{"A", "pay", "POST"}, {"A", "list", "GET"}, {"B", "list", "GET"},
		},
	}
	r := New(names, Options{})
	for request, outcomes := range [][]protocol.Outcome{
		{protocol.OK, protocol.OK, protocol.Status, protocol.Cut},
		{protocol.OK, protocol.Timeout},
		{protocol.Check, protocol.OK, protocol.OK, protocol.OK},
	} {
		for i, o := range outcomes {
			finish(r.Shard(i), request, o, time.Duration(1+10*request+i)*time.Second)
		}
	}
	total := take(r)
	for _, c := range []struct {
		name                           string
		match                          func(Request) bool
		ok, finished, failed, cut, all uint64
		longest                        float64
	}{
		{"all", nil, 6, 9, 3, 1, 10, 24},
		{"all but by a function", func(Request) bool { return true }, 6, 9, 3, 1, 10, 24},
		{"a class", func(q Request) bool { return q.Class == "A" }, 3, 5, 2, 1, 6, 12},
		{"a name", func(q Request) bool { return q.Name == "list" }, 4, 6, 2, 0, 6, 24},
		{"one with a cut request that took longest", func(q Request) bool { return q.Method == "POST" }, 2, 3, 1, 1, 4, 3},
		{"none", func(Request) bool { return false }, 0, 0, 0, 0, 0, 0},
	} {
		s := total.Sum(names, c.match)
		if s.ByOutcome[protocol.OK] != c.ok || s.Finished != c.finished || s.Failed != c.failed || s.ByOutcome[protocol.Cut] != c.cut {
			t.Errorf("%s: %+v finished %d failed %d, want ok %d finished %d failed %d cut %d", c.name, s.ByOutcome, s.Finished, s.Failed, c.ok, c.finished, c.failed, c.cut)
		}
		if s.ResponseTime.Count() != c.finished || s.ServiceTime.Count() != c.finished || !near(s.ResponseTime.Max(), c.longest) || !near(s.ServiceTime.Max(), c.longest/2) {
			t.Errorf("%s: %d up to %v and %d up to %v, want %d up to %v and half of it", c.name,
				s.ResponseTime.Count(), s.ResponseTime.Max(), s.ServiceTime.Count(), s.ServiceTime.Max(), c.finished, c.longest)
		}
		if s.BytesSent != 10*c.all || s.BytesReceived != 100*c.all {
			t.Errorf("%s: %d and %d bytes, want %d and %d", c.name, s.BytesSent, s.BytesReceived, 10*c.all, 100*c.all)
		}
	}
}

func TestSubtractLeavesWhatCameSince(t *testing.T) {
	names := manyNames(12)
	earlier, since := recorded(names, 1, 3000), recorded(names, 2, 500)
	total := earlier.Clone()
	total.Merge(since)
	total.Subtract(earlier)
	if got, want := total.RequestBooks(), since.RequestBooks(); got != want {
		t.Errorf("request books %+v, want %+v", got, want)
	}
	if got, want := total.IterationBooks(), since.IterationBooks(); got != want {
		t.Errorf("iteration books %+v, want %+v", got, want)
	}
	for i := range since.Requests {
		for o := range since.Requests[i].Outcomes {
			got, want := &total.Requests[i].Outcomes[o].ResponseTime, &since.Requests[i].Outcomes[o].ResponseTime
			if got.Count() != want.Count() || fmt.Sprint(got.Buckets(8)) != fmt.Sprint(want.Buckets(8)) {
				t.Errorf("request %d, outcome %d: buckets differ", i, o)
			}
		}
		if got, want := total.Requests[i].BytesReceived, since.Requests[i].BytesReceived; got != want {
			t.Errorf("request %d: %d bytes, want %d", i, got, want)
		}
	}
	for i := range since.Checks {
		if total.Checks[i] != since.Checks[i] {
			t.Errorf("check %d: %+v, want %+v", i, total.Checks[i], since.Checks[i])
		}
	}
	for i := range since.Classes {
		if total.Classes[i].Exceptions != since.Classes[i].Exceptions {
			t.Errorf("class %d: %d exceptions, want %d", i, total.Classes[i].Exceptions, since.Classes[i].Exceptions)
		}
		if got, want := total.Classes[i].Exhausted, since.Classes[i].Exhausted; got != want {
			t.Errorf("class %d: exhausted %v, want %v", i, got, want)
		}
	}
	// The other way round nothing goes below 0.
	since.Subtract(earlier)
	if b := since.RequestBooks(); b.Started > 500 {
		t.Errorf("books %+v went below 0", b)
	}
}

func TestCloneAndResetShareNothing(t *testing.T) {
	names := manyNames(3)
	total := recorded(names, 1, 1000)
	clone := total.Clone()
	equalTotals(t, "clone", clone, total)
	total.reset()
	equalTotals(t, "after reset", total, newTotals(names))
	if clone.RequestBooks().Started != 1000 {
		t.Errorf("the clone has %d started after the reset of the original", clone.RequestBooks().Started)
	}
	total.Merge(clone)
	equalTotals(t, "filled again", total, clone)
}

func TestTotalsEncodingRoundTrip(t *testing.T) {
	for name, want := range map[string]*Totals{
		"nothing at all":  {},
		"names, no data":  newTotals(manyNames(5)),
		"data":            recorded(manyNames(5), 1, 5000),
		"few in much":     recorded(manyNames(1000), 1, 20),
		"no checks":       recorded(&Names{Classes: []string{"A"}, Requests: []Request{{Class: "A"}}}, 1, 10),
		"a hundred names": recorded(manyNames(100), 1, 3000),
	} {
		b, err := want.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.TrimPrefix(b, []byte("before"))
		var got Totals
		if err := got.UnmarshalBinary(b); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		equalTotals(t, name, &got, want)
		again, err := got.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: encoded again: %d bytes, error %v, want the same %d", name, len(again), err, len(b))
		}
	}
}

// The stored form of a run must stay readable: this is what versions 1 and 2 wrote.
func TestDecodeTotalsOfOlderVersions(t *testing.T) {
	r := New(&Names{Classes: []string{"A"}, Requests: []Request{{Class: "A"}}, Checks: []Check{{}}}, Options{Shards: 1})
	s := r.Shard(0)
	s.Intend(0, 4)
	s.StartRequest(0)
	s.Observe(&Observation{Outcome: protocol.Status, Intended: noon, Sent: noon, Finished: noon, BytesSent: 7, BytesReceived: 300, BodyBytes: 3})
	s.Check(0, false)
	r.Except(0, "task", "message", noon)
	s.Exhaust(0, protocol.Ports)
	// A histogram of 28 bytes: version, one zero, no buckets; sum, min and max are 0.
	zero := "\x1c\x01\x01\x00\x00" + strings.Repeat("\x00", 24)
	got, err := take(r).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(version, resources, exhausted, body string) string {
		return version + "\x01\x01\x01\x0a\x06" + resources +
			"\x04\x00\x00\x00\x00" + "\x01" + exhausted + "\x00\x00" + "\x00\x00\x00\x00\x00\x00" +
			"\x01\x01\x00\x01\x00" + "\x07\xac\x02" + body + "\x04" + zero + zero +
			"\x00\x01"
	}
	v1, v2 := of("\x01", "", "", ""), of("\x02", "\x04", "\x00\x00\x01\x00", "\x03")
	if string(got) != v2 {
		t.Errorf("encoded\n%x, want\n%x", got, v2)
	}
	for ports, stored := range []string{v1, v2} {
		var back Totals
		if err := back.UnmarshalBinary([]byte(stored)); err != nil {
			t.Fatal(err)
		}
		if b := back.Requests[0]; b.BytesReceived != 300 || b.Outcomes[protocol.Status].ServiceTime.Count() != 1 || back.Checks[0].Failed != 1 {
			t.Errorf("decoded %+v", back)
		}
		if c := back.Classes[0]; c.Exceptions != 1 || c.Exhausted != [protocol.Resources]uint64{protocol.Ports: uint64(ports)} {
			t.Errorf("decoded %d exceptions, exhausted %v; want 1 and %d ports", c.Exceptions, c.Exhausted, ports)
		}
	}
}

func TestDecodeTotalsRefuses(t *testing.T) {
	good, err := recorded(twoNames(), 1, 20).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "end too early"},
		{"another version", "\x03" + string(good[1:]), "version 3, want at most 2"},
		{"no version", "\x00" + string(good[1:]), "version 0, want"},
		{"more resources", "\x02\x00\x00\x00\x0a\x06\x05", "newer version"},
		{"one byte more", string(good) + "x", "1 bytes after their end"},
		{"more outcomes", "\x01\x00\x00\x00\x0b\x06", "newer version"},
		{"more phases", "\x01\x00\x00\x00\x0a\x07", "newer version"},
		{"more requests than bytes", "\x01\x00\xff\xff\xff\xff\x0f\x00\x0a\x06", "end too early"},
		{"an outcome there is not", "\x01\x00\x01\x00\x02\x06\x00\x00\x00\x00\x00\x00\x00\x04", "beyond the 2"},
		{"a damaged histogram", "\x01\x01\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\x09\x00", "decode histogram"},
	} {
		var got Totals
		if err := got.UnmarshalBinary([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		if got.Requests != nil {
			t.Errorf("%s: it changed all the same", c.name)
		}
	}
	for n := range good {
		if err := new(Totals).UnmarshalBinary(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(good))
		}
	}
}

func TestDecodeTotalsWithFewerOutcomesAndPhases(t *testing.T) {
	// One class, one request, no check; two outcomes and one phase were known.
	const stored = "\x01\x01\x01\x00\x02\x01" + "\x01\x01\x00\x01\x00" + "\x00" + "\x00\x00" + "\x00" + "\x03\x03\x00\x03\x00" + "\x01\x02" + "\x00"
	var got Totals
	if err := got.UnmarshalBinary([]byte(stored)); err != nil {
		t.Fatal(err)
	}
	if b := got.RequestBooks(); b != (Books{3, 3, 0, 3, 0}) {
		t.Errorf("books %+v", b)
	}
}

func FuzzUnmarshalTotals(f *testing.F) {
	for _, t := range []*Totals{{}, newTotals(twoNames()), recorded(twoNames(), 1, 30)} {
		b, err := t.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got Totals
		if got.UnmarshalBinary(b) != nil {
			return
		}
		encoded, err := got.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var again Totals
		if err := again.UnmarshalBinary(encoded); err != nil {
			t.Fatalf("what was taken is refused when encoded again: %v", err)
		}
		if again.RequestBooks() != got.RequestBooks() || again.IterationBooks() != got.IterationBooks() {
			t.Errorf("books changed")
		}
	})
}
