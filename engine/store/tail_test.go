package store

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTailKeepsWhatIsLate: every sample is read, or handed over as late, never both; and counted once.
func TestTailKeepsWhatIsLate(t *testing.T) {
	s := open(t, Options{})
	tail := s.Tail()
	write := func(name string, seconds ...int) {
		t.Helper()
		var points []Point
		for _, one := range seconds {
			series := &Series{Labels: []Label{{"__name__", name}}}
			points = append(points, Point{Series: series, Time: at(time.Duration(one) * time.Second).UnixMilli(), Value: float64(one)})
		}
		if err := s.Append(t.Context(), points); err != nil {
			t.Fatal(err)
		}
	}
	since := func(p []Point) (list []int) {
		for i := range p {
			list = append(list, int(p[i].Time-at(0).UnixMilli())/1000)
		}
		slices.Sort(list)
		return list
	}
	ms := func(seconds int) int64 { return at(time.Duration(seconds) * time.Second).UnixMilli() }

	write("m", 1, 2)
	if n, _, err := tail.Count(t.Context(), ms(0), ms(10)); err != nil || n != 2 {
		t.Fatalf("%d counted, %v; want 2", n, err)
	}
	var read []Point
	take := func(p Point) error { read = append(read, p); return nil }
	if err := tail.Read(t.Context(), ms(0), ms(5), take); err != nil {
		t.Fatal(err)
	}
	write("late", 3, 4, 5, 6, 7, 11) // three behind what was read, two of them behind what was counted, one ahead
	late := tail.Late()
	if diff := cmp.Diff([]int{3, 4, 5}, since(late.Points)); diff != "" {
		t.Errorf("late (-want +got):\n%s", diff)
	}
	if late.Uncounted != 2 || late.Dropped != 0 {
		t.Errorf("%d to be counted still, %d dropped; want 2 and 0", late.Uncounted, late.Dropped)
	}
	if err := tail.Read(t.Context(), ms(5), ms(11), take); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 2, 6, 7, 11}, since(read)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}

	// A read that its caller breaks off has not been made.
	if err := tail.Read(t.Context(), ms(11), ms(20), func(Point) error { return ErrTooMany }); err != nil {
		t.Fatal(err) // there was nothing to break off at
	}
	write("more", 15)
	if err := s.EndSeries(t.Context(), at(16*time.Second), Label{Name: "__name__", Value: "more"}); err != nil {
		t.Fatal(err)
	}
	late = tail.Late()
	if diff := cmp.Diff([]int{15, 16}, since(late.Points)); diff != "" || !late.Points[1].Stale() {
		t.Errorf("late, with the end of the series (-want +got):\n%s", diff)
	}
	if late = tail.Late(); late.Points != nil || late.Uncounted != 0 {
		t.Errorf("handed over twice: %+v", late)
	}
}

// TestTailIsBounded: what there is no room for is counted.
func TestTailIsBounded(t *testing.T) {
	s := open(t, Options{})
	tail := s.Tail()
	if err := tail.Read(t.Context(), 0, at(time.Hour).UnixMilli(), func(Point) error { return nil }); err != nil {
		t.Fatal(err)
	}
	points := make([]Point, maxLate+7)
	for i := range points {
		points[i] = Point{Series: &Series{Labels: []Label{{"__name__", "m"}}}, Time: at(0).UnixMilli() + int64(i)}
	}
	if err := s.Append(t.Context(), points); err != nil {
		t.Fatal(err)
	}
	if late := tail.Late(); len(late.Points) != maxLate || late.Dropped != 7 {
		t.Errorf("%d kept, %d dropped; want %d and 7", len(late.Points), late.Dropped, maxLate)
	}
}
