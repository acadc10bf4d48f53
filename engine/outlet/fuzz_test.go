package outlet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzState: whatever is in the file, it is refused with a word on what to do, or is the same when it is written again.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"outlet": "x", "cursor_ms": 1700000000000, "counted_ms": 1700000001000, "produced": 9, "sent": 7, "lost": 1, "lost_because": {"400": 1}, "retries": 2, "errors": 1, "last_error": "no", "last_error_at": "2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"cursor_ms": 1, "counted_ms": 9223372036854775807, "produced": 1, "sent": 18446744073709551615, "lost": 2}`))
	f.Add([]byte(`{"cursor_ms": 2, "counted_ms": 1}`))
	f.Add([]byte(`{"cursor_ms": 1e3, "counted_ms": -1}`))
	f.Add([]byte("{\"cursor_ms\": 1, \"counted_ms\": 1, \"last_error\": \"\xff\"}"))
	f.Add([]byte(``))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := loadState(file, "x")
		if err != nil {
			if first.Cursor != 0 {
				t.Errorf("refused, and used: %+v", first)
			}
			return
		}
		if err := first.save(file); err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", first, err)
		}
		again, err := loadState(file, "x")
		if err != nil {
			t.Fatalf("%+v was read, and refused when written again: %v", first, err)
		}
		if d := cmp.Diff(first, again, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("written again: %s", d)
		}
		o := Outlet{state: again, o: Options{Name: "x"}}
		if b := o.Books(); b.Balanced != (b.Produced == b.Sent+b.Lost+b.Waiting) || b.OldestSeconds < 0 {
			t.Errorf("books %+v", b)
		}
	})
}
