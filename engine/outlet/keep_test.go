package outlet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestQueueOutlivesItsProcess: what could not be sent is sent by the next process, once, and what that cannot send by the one
// after it; the accounts of each are those of what was waiting before.
func TestQueueOutlivesItsProcess(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "outlets", "spans")
			away := &sink{answer: func(int) error {
				if refused {
					return &Error{Reaction: Refused, Err: errors.New("401")}
				}
				return errors.New("connection refused")
			}}
			flush := func(q *Queue[int]) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				q.Flush(ctx, time.Now())
			}
			queue(t, QueueOptions[int]{Exporter: away, File: file}, func(q *Queue[int]) {
				for i := range 1000 {
					q.Offer(i)
				}
				flush(q)
				wantBooks(t, q.Books(), Books{Produced: 1000, Waiting: 1000})
				if _, err := os.Stat(file); err != nil {
					t.Errorf("a process that is killed after a run has lost what waited: %v", err)
				}
				q.Offer(1000)
			})
			queue(t, QueueOptions[int]{Exporter: away, File: file, Capacity: 1002}, func(q *Queue[int]) {
				wantBooks(t, q.Books(), Books{Produced: 1001, Waiting: 1001})
				if !q.Offer(1001) || q.Offer(-1) {
					t.Error("there is room for one more, and no other")
				}
				time.Sleep(time.Minute)
			})
			well := &sink{}
			queue(t, QueueOptions[int]{Exporter: well, File: file, Capacity: 10}, func(q *Queue[int]) {
				if q.Offer(-1) {
					t.Error("there is no room")
				}
				flush(q)
				wantBooks(t, q.Books(), Books{Produced: 1003, Sent: 1002, Lost: 1})
				q.Offer(1002)
			})
			var want []int
			for i := range 1002 {
				want = append(want, i)
			}
			if diff := cmp.Diff(want, well.got[:min(1002, len(well.got))]); diff != "" {
				t.Error(diff)
			}
			queue(t, QueueOptions[int]{Exporter: well, File: file}, func(q *Queue[int]) { flush(q) })
			if len(well.got) != 1003 || well.got[1002] != 1002 {
				t.Errorf("%d have arrived, want 1003", len(well.got))
			}
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
		})
	}
}

func TestQueueFiles(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("[1,"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewQueue(QueueOptions[int]{Name: "o", Signal: Spans, File: broken}); err == nil || !strings.Contains(err.Error(), broken) || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("error %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		o := QueueOptions[int]{Exporter: &sink{answer: func(int) error { return errors.New("away") }}}
		o.File = filepath.Join(dir, "later")
		var ended *Queue[int]
		queue(t, o, func(q *Queue[int]) {
			q.o.File = filepath.Join(broken, "a file is no folder")
			q.Offer(1)
			ended = q
		})
		wantBooks(t, ended.Books(), Books{Produced: 1, Lost: 1})
		if _, err := os.Stat(o.File); err == nil {
			t.Error("it was written nevertheless")
		}
	})
}
