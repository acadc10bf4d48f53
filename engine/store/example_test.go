package store_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"tidegauge/engine/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()

	values, threshold, held, err := s.Compare(context.Background(), "vector(3) < 2", time.Now())
	fmt.Println(values, threshold, held, err)
	fmt.Println(store.CheckComparison("max(up) <"))
	// Output:
	// [3] [2] false <nil>
	// PromQL "max(up) <", at offset 9: unexpected end of input
}
