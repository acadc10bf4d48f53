package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegauge/cmd/tidegauge/internal/remote"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/report"
	"tidegauge/exporters"
)

// archiveFlags say where the runs are that a command looks at.
type archiveFlags struct {
	settings
	server serverFlags
}

func (f *archiveFlags) register(flags *pflag.FlagSet) {
	f.registerConfig(flags)
	f.server.register(flags, "look at the runs of the daemon at this URL, as http://127.0.0.1:9777, instead of those in a data directory")
}

// archive is the runs in a data directory, or those of a daemon.
type archive struct {
	here  *history.History // nil: they are a daemon's
	there *remote.Client
}

// open returns the archive. A data directory must be there: looking is not a reason to make one. The caller closes it.
func (f *archiveFlags) open(cmd *cobra.Command, c *console) (*archive, error) {
	if f.server.url == "" {
		h, err := openHistory(c, &f.settings)
		return &archive{here: h}, err
	}
	if err := refuseLocal(cmd); err != nil {
		return nil, err
	}
	client, err := f.server.client(c)
	return &archive{there: client}, err
}

func (a *archive) close() {
	if a.there != nil {
		a.there.Close()
	}
}

// newest returns the newest runs, n at most or all if it is 0, and how many there are.
func (a *archive) newest(ctx context.Context, n int) ([]history.Record, int, error) {
	if a.there != nil {
		if n == 0 || n > remote.MostRuns {
			n = remote.MostRuns
		}
		records, all, err := a.there.Runs(ctx, n)
		return records, all, serverError("listing the runs", err)
	}
	records, all, err := a.here.Newest(n)
	return records, all, withCode(exitStorage, err)
}

// report returns the report of a run, and what is wrong with its folder; nil: it has none that can be read.
func (a *archive) report(ctx context.Context, name string) (r *report.Report, id string, problems []string, err error) {
	if a.there != nil {
		record, err := a.there.Run(ctx, name)
		if err == nil {
			if r, err = a.there.Report(ctx, record.ID); remote.NotThere(err) {
				err = nil
			}
		}
		return r, record.ID, nil, serverError("reading the run "+name, err)
	}
	run, err := a.here.Load(name)
	if err != nil {
		return nil, name, nil, withCode(exitStorage, err)
	}
	return run.Report, run.Record.ID, run.Problems, nil
}

// whole returns everything of a run that has this report. The error, if any, says what of it could not be read; the rest is there.
func (a *archive) whole(ctx context.Context, r *report.Report) (*exporters.Run, error) {
	if a.there != nil {
		run, err := runFrom(ctx, a.there, r)
		return run, serverError("reading what run "+r.Run.ID+" measured", err)
	}
	s, err := a.here.Load(r.Run.ID)
	if err != nil {
		return &exporters.Run{Report: r}, withCode(exitStorage, err)
	}
	run, err := exporters.RunOf(s)
	return run, withCode(exitStorage, err)
}

// compare compares a run with its baseline, or with what is named.
func (a *archive) compare(ctx context.Context, run, with string) (*compare.Comparison, error) {
	var found *compare.Comparison
	var err error
	switch {
	case a.there != nil:
		found, err = a.there.Compare(ctx, run, with)
		return found, serverError("comparing run "+run, err)
	case with == "":
		found, err = a.here.Recall(run)
	default:
		found, err = a.here.CompareWith(run, with)
	}
	return found, withCode(exitStorage, err)
}

func (a *archive) marks(ctx context.Context) (history.Marks, error) {
	if a.there != nil {
		m, err := a.there.Marks(ctx)
		return m, serverError("reading the baselines", err)
	}
	m, err := a.here.Marks()
	return m, withCode(exitStorage, err)
}

// pin gives a run a name, and returns its id.
func (a *archive) pin(ctx context.Context, run, name string) (string, error) {
	if a.there != nil {
		r, err := a.there.Run(ctx, run)
		if err == nil {
			err = a.there.Pin(ctx, name, r.ID)
		}
		return r.ID, serverError("pinning run "+run, err)
	}
	r, err := a.here.Find(run)
	if err == nil {
		_, err = a.here.Values(r.ID)
	}
	if err == nil {
		err = a.here.ChangeMarks(ctx, func(m *history.Marks) error { return m.Pin(name, r.ID, time.Now()) })
	}
	return r.ID, withCode(exitStorage, err)
}

func (a *archive) unpin(ctx context.Context, name string) error {
	if a.there != nil {
		return serverError("unpinning "+name, a.there.Unpin(ctx, name))
	}
	return withCode(exitStorage, a.here.ChangeMarks(ctx, func(m *history.Marks) error { return m.Unpin(name) }))
}

// mark changes what is said of a run.
func (a *archive) mark(ctx context.Context, run string, change func(*history.Mark)) error {
	if a.there != nil {
		r, err := a.there.Run(ctx, run)
		var m history.Marks
		if err == nil {
			m, err = a.there.Marks(ctx)
		}
		if err == nil {
			mark := m.Runs[r.ID]
			change(&mark)
			err = a.there.Mark(ctx, r.ID, mark)
		}
		return serverError("marking run "+run, err)
	}
	r, err := a.here.Find(run)
	if err == nil {
		err = a.here.ChangeMarks(ctx, func(m *history.Marks) error {
			mark := m.Runs[r.ID]
			change(&mark)
			m.Set(r.ID, mark, time.Now())
			return nil
		})
	}
	return withCode(exitStorage, err)
}

// changes returns the levels that changed over the history of each test; with an error, those that can be read.
func (a *archive) changes(ctx context.Context) ([]history.Course, error) {
	if a.there != nil {
		list, err := a.there.Changes(ctx)
		return list, serverError("reading the changes", err)
	}
	list, err := a.here.Courses()
	return list, withCode(exitStorage, err)
}

// openHistory opens the history of a data directory that must be there.
func openHistory(c *console, s *settings) (*history.History, error) {
	conf, err := s.load(c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(conf.DataDir); err != nil {
		return nil, withCode(exitStorage, fmt.Errorf("opening the data directory: %w; choose another with --data-dir", err))
	}
	h, err := history.Open(conf.DataDir)
	return h, withCode(exitStorage, err)
}
