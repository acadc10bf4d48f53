package interval

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/measure"
	"tidegauge/engine/protocol"
)

var start = time.Date(2026, 11, 23, 18, 31, 42, 0, time.UTC)

func names() *measure.Names {
	return &measure.Names{
		Classes: []string{"User"}, Requests: []measure.Request{{Class: "User", Name: "/a", Method: "GET"}, {Class: "User", Name: "/b", Method: "POST"}},
		Checks: []measure.Check{{Request: 1, Name: "status == 200"}},
	}
}

// feed gives a recorder n snapshots, each of so long, with requests whose times come from a seed, and returns all of them in one.
func feed(t *testing.T, r *Recorder, n int, each time.Duration, perInterval int) *measure.Totals {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	all := emptyTotals()
	at := start
	for i := range n {
		d := emptyTotals()
		for range perInterval {
			v := 0.001 + random.ExpFloat64()*0.05
			q := &d.Requests[random.IntN(2)]
			q.Outcomes[protocol.OK].ResponseTime.Record(v)
			q.Outcomes[protocol.OK].ServiceTime.Record(v / 2)
			q.Books.Intended++
		}
		d.Checks[0].Passed = uint64(i)
		all.Merge(d)
		s := &measure.Snapshot{Start: start, Since: at, Time: at.Add(each), Names: names(), Delta: d, PeakUsers: i % 5, Rate: float64(i), Final: i == n-1}
		if err := r.Consume(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		at = at.Add(each)
	}
	return all
}

func emptyTotals() *measure.Totals {
	return &measure.Totals{Classes: make([]measure.ClassTotals, 1), Requests: make([]measure.RequestTotals, 2), Checks: make([]measure.CheckTotals, 1)}
}

func decoded(t *testing.T, r *Recorder) (*Log, []*Interval, []byte) {
	t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	var list []*Interval
	for i, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, i)
	}
	return l, list, b
}

func TestNothingIsLostWhateverIsMerged(t *testing.T) {
	for _, test := range []struct {
		name     string
		n        int
		each     time.Duration
		maxSize  int
		atLeast  int
		atMost   int
		shortest time.Duration
	}{
		{"as it came", 20, time.Second, 0, 20, 20, time.Second},
		{"short ones are joined", 45, 100 * time.Millisecond, 0, 4, 5, 900 * time.Millisecond},
		{"the last is too short to stand alone", 13, 250 * time.Millisecond, 0, 3, 3, time.Second},
		{"no room", 400, time.Second, 60_000, 5, 200, 2 * time.Second},
		{"one alone", 1, 100 * time.Millisecond, 0, 1, 1, 100 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &Recorder{MaxSize: test.maxSize}
			want := feed(t, r, test.n, test.each, 30)
			l, list, b := decoded(t, r)
			if len(list) < test.atLeast || len(list) > test.atMost || l.Len() != len(list) {
				t.Fatalf("%d intervals, want from %d to %d", len(list), test.atLeast, test.atMost)
			}
			if test.maxSize > 0 && len(b) > test.maxSize+1000 {
				t.Errorf("%d bytes, where %d are allowed", len(b), test.maxSize)
			}
			got, end := emptyTotals(), time.Duration(0)
			for _, i := range list {
				if i.From != end || i.To-i.From < test.shortest {
					t.Errorf("an interval from %v to %v, the one before ended at %v", i.From, i.To, end)
				}
				end = i.To
				got.Merge(i.Totals)
			}
			if want := time.Duration(test.n) * test.each; end != want {
				t.Errorf("the last ends at %v, want %v", end, want)
			}
			a, b1, c, d := got.Sum(&l.Names, nil), want.Sum(names(), nil), got.Checks[0].Passed, want.Checks[0].Passed
			if a.Finished != b1.Finished || a.ResponseTime.Quantile(0.95) != b1.ResponseTime.Quantile(0.95) || a.ServiceTime.Max() != b1.ServiceTime.Max() || c != d {
				t.Errorf("%d requests, p95 %v, max %v, %d checks; want %d, %v, %v, %d", a.Finished, a.ResponseTime.Quantile(0.95), a.ServiceTime.Max(), c,
					b1.Finished, b1.ResponseTime.Quantile(0.95), b1.ServiceTime.Max(), d)
			}
			if diff := cmp.Diff(names(), &l.Names); diff != "" || !l.Start.Equal(start) {
				t.Errorf("names or start %v (-want +got):\n%s", l.Start, diff)
			}
		})
	}
}

func TestUsersAreTheMostAndTheRateTheLast(t *testing.T) {
	r := new(Recorder)
	feed(t, r, 10, 200*time.Millisecond, 1)
	_, list, _ := decoded(t, r)
	if len(list) != 2 || list[0].Users != 4 || list[0].Rate != 4 || list[1].Rate != 9 {
		t.Errorf("%+v", list)
	}
}

func TestAnEncodingInBetweenChangesNothing(t *testing.T) {
	one, two := new(Recorder), new(Recorder)
	feed(t, one, 13, 250*time.Millisecond, 10)
	feed(t, two, 13, 250*time.Millisecond, 10)
	if _, err := one.AppendBinary(nil); err != nil {
		t.Fatal(err)
	}
	_, _, a := decoded(t, one)
	_, _, b := decoded(t, two)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotAnEncodingIsAnError(t *testing.T) {
	r := new(Recorder)
	feed(t, r, 3, time.Second, 5)
	_, _, b := decoded(t, r)
	for n := range b {
		l, err := Decode(b[:n])
		if err == nil && l.Len() >= 3 {
			t.Errorf("the first %d of %d bytes are taken for all", n, len(b))
		}
	}
	if _, err := Decode([]byte{9}); err == nil {
		t.Error("another version is read")
	}
}

func FuzzDecode(f *testing.F) {
	r := new(Recorder)
	s := &measure.Snapshot{Start: start, Since: start, Time: start.Add(time.Second), Names: names(), Delta: emptyTotals()}
	if err := r.Consume(f.Context(), s); err != nil {
		f.Fatal(err)
	}
	b, err := r.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{1, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			return
		}
		for i, err := range l.All() {
			if err != nil {
				return
			}
			i.Totals.Sum(&l.Names, nil)
		}
	})
}
