package history_test

import (
	"fmt"
	"log"
	"os"

	"tidegauge/engine/history"
	"tidegauge/engine/report"
)

// folder makes a data directory for an example.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "tidegauge")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			log.Fatal(err)
		}
	}
}

func ExampleOpen() {
	dir, remove := folder()
	defer remove()

	h, err := history.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	run, err := h.Begin(report.Meta{Plan: "payments", Test: "load"}, []byte("name: payments\n"))
	if err != nil {
		log.Fatal(err)
	}
	r := report.NewCollector(report.Meta{ID: run.ID()}).Report(nil)
	if err := run.Finish(r, nil, "nothing was measured\n"); err != nil {
		log.Fatal(err)
	}

	stored, err := h.Load("latest")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(stored.Record.Plan, " ", stored.Record.State, ": ", stored.Summary)
	// Output: payments finished: nothing was measured
}

func ExampleHistory_List() {
	dir, remove := folder()
	defer remove()

	h, err := history.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	run, err := h.Begin(report.Meta{Plan: "payments", Test: "soak"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	show := func() {
		records, err := h.List()
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range records {
			fmt.Println(r.Plan, r.Test, r.State)
		}
	}
	show()
	// The process gives the run up, or dies.
	if err := run.Close(); err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// payments soak running
	// payments soak interrupted
}
