package outlet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"tidegauge/engine/store"
)

// TestRetentionTakesWhatWaits: blocks that the store removes, by their age or for their size, while a destination is away are
// lost, with that as the reason; everything younger is sent once it is back.
func TestRetentionTakesWhatWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		o    store.Options
		kept uint64 // minutes at least
	}{
		"time": {store.Options{Retention: 3 * time.Hour}, 3 * 60},
		"size": {store.Options{Size: 40_000}, 60}, // in memory, and not in a block yet
	} {
		t.Run(name, func(t *testing.T) {
			o := tt.o
			synctest.Test(t, func(t *testing.T) {
				o.Dir = t.TempDir()
				s, err := store.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}()
				var back atomic.Bool
				r := &receiver{answer: func(int, []Sample) error {
					if !back.Load() {
						return errors.New("away")
					}
					return nil
				}}
				out := open(t, Options{Source: s, Writer: r})
				w := s.Writer()
				const hours, series = 14, 5
				var b Books
				during(t, out, func() {
					for range hours * 60 {
						time.Sleep(time.Minute)
						app := w.AppenderV2(t.Context())
						for i := range series {
							l := labels.FromStrings("__name__", "m", "i", fmt.Sprint(i))
							if _, err := app.Append(0, l, 0, time.Now().UnixMilli(), float64(time.Now().UnixNano()%1e9), nil, nil, storage.AppendV2Options{}); err != nil {
								t.Fatal(err)
							}
						}
						if err := app.Commit(); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(5 * time.Minute) // the store removes blocks in the background
					back.Store(true)
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					out.Flush(ctx, time.Now())
					b = out.Books()
				})
				const reason = "removed from the store by its retention before they could be sent"
				produced := uint64(hours * 60 * series)
				if b.Produced != produced || b.Waiting != 0 || !b.Balanced || b.Sent+b.Lost != produced {
					t.Errorf("books: %+v, want %d produced, and none waiting", b, produced)
				}
				if b.Lost == 0 || b.LostBecause[reason] != b.Lost {
					t.Errorf("%d are lost, because %v; want some, all because they were %s", b.Lost, b.LostBecause, reason)
				}
				if b.Sent < tt.kept*series || uint64(r.count()) != b.Sent {
					t.Errorf("%d are sent and %d have arrived, want the same, and those of the latest %d minutes at least", b.Sent, r.count(), tt.kept)
				}
			})
		})
	}
}
