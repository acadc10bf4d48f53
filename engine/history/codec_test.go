package history

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"schema":"tidegauge.run/v1","id":"20260301-120000-load-aaaa","state":"finished","start":"2026-03-01T12:00:00Z","labels":{"a":"b"}}`))
	f.Add([]byte(`{"schema":"tidegauge.run/v1","id":"20260301-120000-","state":"running"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if r.ID[:timeLength] == "" || strings.Contains(r.ID, "/") {
			t.Errorf("id %q", r.ID)
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("a record that was read cannot be written: %v", err)
		}
		if back, err := decodeRecord(again); err != nil || !cmp.Equal(r, back, cmpopts.EquateEmpty()) {
			t.Errorf("%v: %s", err, cmp.Diff(r, back))
		}
	})
}

func FuzzDecodeTotals(f *testing.F) {
	_, totals := sample(f, 5, true)
	b, err := encodeTotals(totals)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte(totalsMagic + "\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		totals, err := decodeTotals(b)
		if err != nil {
			return
		}
		again, err := encodeTotals(totals)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeTotals(again); err != nil || !cmp.Equal(totals, back, allowHistograms) {
			t.Errorf("what was read is not what was written: %v", err)
		}
	})
}

func TestDecodeTotalsErrors(t *testing.T) {
	_, totals := sample(t, 5, true)
	good, err := encodeTotals(totals)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := decodeTotals(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were read without an error", n, len(good))
		}
	}
	for in, want := range map[string]string{
		"":                                   "this is not a file of histograms, or one of another version",
		string(good) + "x":                   "1 bytes follow the end of the histograms",
		totalsMagic + "\xff\xff\x03\x00\x00": "histograms are incomplete or damaged",
	} {
		if _, err := decodeTotals([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	if empty, err := encodeTotals(nil); err != nil || !bytes.Equal(empty, []byte(totalsMagic+"\x00\x00\x00")) {
		t.Errorf("nil: %q, %v", empty, err)
	}
}
