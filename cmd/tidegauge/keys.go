package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"tidegauge/cmd/tidegauge/internal/remote"
	"tidegauge/engine/api"
	"tidegauge/engine/experiment"
	"tidegauge/engine/run"
)

// keysHelp is the line that the display shows where keys are read.
const keysHelp = "w/s one more or fewer, W/S ten, p pause, q end"

// byKeys is who changes a run by the keys.
const byKeys = "the keys of the terminal"

// watchKeys obeys the keys of whoever sits at the terminal, Locust's w W s S among them, until stop is called, which puts the
// terminal right again. say is told what cannot be done. Where standard input is no terminal there is nothing to do.
func watchKeys(c *console, control control, say func(string)) (stop func(), watching bool) {
	in, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return func() {}, false
	}
	restore, err := readKeys(int(in.Fd()))
	if err != nil {
		return func() {}, false
	}
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		var key [1]byte
		for {
			n, err := in.Read(key[:]) // at most a tenth of a second
			select {
			case <-done:
				return
			default:
			}
			switch {
			case n == 1:
				if err := obey(key[0], control); err != nil {
					say(err.Error())
				}
			case err != nil && !errors.Is(err, io.EOF):
				return
			}
		}
	})
	return func() {
		close(done)
		reading.Wait()
		restore()
	}, true
}

// control is a run whose load can be changed. Its methods may take as long as an answer over a network does.
type control interface {
	add(amount float64) error // users or arrivals per second
	pause() error             // or go on
	end() error               // gracefully
}

// localControl is of a run of this process.
type localControl struct{ *experiment.Control }

func (l localControl) add(amount float64) error { return l.Add(byKeys, amount, 0) }

func (l localControl) pause() error {
	if l.Paused() {
		return l.Resume(byKeys)
	}
	return l.Pause(byKeys)
}

func (l localControl) end() error {
	l.Stop("ended by " + byKeys)
	return nil
}

// remoteControl is of a run of a daemon.
type remoteControl struct {
	ctx    context.Context //nolint:containedctx // ends with the display that has the keys
	client *remote.Client
	job    string
}

// said turns what the daemon says into a line for the display.
func said(err error) error {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return errors.New(p.Detail)
	}
	return err
}

func (r *remoteControl) add(amount float64) error { return said(r.client.Add(r.ctx, r.job, amount)) }

func (r *remoteControl) pause() error {
	now, err := r.client.Job(r.ctx, r.job) // as it is: events come with intervals only
	if err != nil {
		return said(err)
	}
	return said(r.client.Pause(r.ctx, r.job, !now.Paused))
}

func (r *remoteControl) end() error { return said(r.client.Stop(r.ctx, r.job, false)) }

// obey does what a key asks for.
func obey(key byte, control control) error {
	var err error
	switch key {
	case 'w':
		err = control.add(1)
	case 'W':
		err = control.add(10)
	case 's':
		err = control.add(-1)
	case 'S':
		err = control.add(-10)
	case 'p':
		err = control.pause()
	case 'q':
		err = control.end()
	}
	if errors.Is(err, run.ErrNoLoad) {
		return nil // pressed a little early or late
	}
	if err != nil {
		return fmt.Errorf("%c: %w", key, err)
	}
	return nil
}
