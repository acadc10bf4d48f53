package hist

import (
	"bytes"
	"encoding"
	"math"
	"strings"
	"testing"
)

var (
	_ encoding.BinaryAppender    = (*Histogram)(nil)
	_ encoding.BinaryUnmarshaler = (*Histogram)(nil)
)

func encode(t testing.TB, h *Histogram) []byte {
	t.Helper()
	b, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samples are histograms of every kind that the encoding has a branch for.
func samples() map[string]*Histogram {
	large := of(0.01, 0.02, 0.02)
	for range 45 {
		large.Merge(large)
	}
	left := of(0, 1, 2, 3, 4)
	left.Subtract(of(0, 1, 4))
	return map[string]*Histogram{
		"empty":     of(),
		"zeros":     of(0, 0, 0),
		"one":       of(0.05),
		"zero, one": of(0, 1),
		"ends":      of(math.Nextafter(MinValue, 1), MaxValue),
		"lognormal": of(lognormal(10_000, 0.5, 1)...),
		"large":     large,
		"remainder": left,
	}
}

func TestEncodingRoundTrip(t *testing.T) {
	for name, h := range samples() {
		b := encode(t, h)
		got := of(7, 8, 9)
		if err := got.UnmarshalBinary(b); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same(t, name, got, h)
		if got.Sum() != h.Sum() {
			t.Errorf("%s: sum %v, want %v", name, got.Sum(), h.Sum())
		}
		if again := encode(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s: encoded again: %x, want %x", name, again, b)
		}
		got.Record(1e6) // it must be as good as new
		got.Record(1e-6)
		if got.Count() != h.Count()+2 {
			t.Errorf("%s: count %d after two more", name, got.Count())
		}
	}
}

func TestEncodingIsCompact(t *testing.T) {
	s := samples()
	for name, limit := range map[string]int{"empty": 4, "zeros": 28, "one": 36, "ends": 40, "lognormal": 1_800} {
		if n := len(encode(t, s[name])); n > limit {
			t.Errorf("%s: %d bytes, want at most %d", name, n, limit)
		}
	}
}

// The stored form of a run's histograms must stay readable: this is what version 1 wrote.
func TestDecodeVersion1(t *testing.T) {
	const stored = "\x01\x01\xff\x4f\x81\x02\x01\x01\xff\x01\x01\x02" +
		"\x00\x00\x00\x00\x00\x00\x14\x40" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x40"
	want := of(0, 1, 2, 2)
	if got := encode(t, want); string(got) != stored {
		t.Errorf("encoded %q, want %q", got, stored)
	}
	var h Histogram
	if err := h.UnmarshalBinary([]byte(stored)); err != nil {
		t.Fatal(err)
	}
	same(t, "decoded", &h, want)
}

func TestDecodeRefuses(t *testing.T) {
	good := encode(t, of(1, 2, 3))
	float := func(v float64) string { return string(encode(t, of(v))[7:15]) } // the sum of one value is the value
	with := func(at int, b byte) string {
		c := bytes.Clone(good)
		c[at] = b
		return string(c)
	}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "ends too early"},
		{"another version", with(0, 2), "version 2, want 1"},
		{"one byte more", string(good) + "x", "1 bytes after its end"},
		{"no such slot", "\x01\x00\xff\xff\xff\x7f\x01", "there are only 20480"},
		{"too many slots", "\x01\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "there are only 20480"},
		{"varint beyond 64 bits", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "beyond 64 bits"},
		{"run too long", "\x01\x00\x01\x02\x03\x01\x01\x01", "a run of 3 buckets where 2 are left"},
		{"run of none", "\x01\x00\x01\x02\x00", "a run of 0 buckets"},
		{"empty bucket in a run", "\x01\x00\x01\x02\x02\x01\x00", "an empty bucket"},
		{"ends empty", "\x01\x00\x01\x02\x01\x01\x01", "a run of 1 empty buckets where 1 are left"},
		{"count overflow", "\x01\x01\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "beyond 64 bits"},
		{"wrong maximum", string(good[:len(good)-8]) + float(4), "do not go with its counts"},
		{"wrong minimum", string(good[:len(good)-16]) + float(4) + string(good[len(good)-8:]), "do not go with its counts"},
	} {
		h := of(5)
		err := h.UnmarshalBinary([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		same(t, c.name+": what was there", h, of(5))
	}
	for n := range good {
		if err := new(Histogram).UnmarshalBinary(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(good))
		}
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	for _, h := range samples() {
		f.Add(encode(f, h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Histogram
		if h.UnmarshalBinary(b) != nil {
			return
		}
		if len(h.low) > slots {
			t.Fatalf("%d buckets", len(h.low))
		}
		var again Histogram
		if err := again.UnmarshalBinary(encode(t, &h)); err != nil {
			t.Fatalf("what was taken is refused when encoded again: %v", err)
		}
		same(t, "encoded again", &again, &h)
		if v := h.Quantile(0.5); v < h.Min() || v > h.Max() {
			t.Errorf("median %v is not between %v and %v", v, h.Min(), h.Max())
		}
		merged := h.Clone()
		merged.Merge(of(0, 1))
		merged.Subtract(&h)
		h.Buckets(0)
		h.Reset()
	})
}
