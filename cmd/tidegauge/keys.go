package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"tidegauge/engine/experiment"
	"tidegauge/engine/run"
)

// keysHelp is the line that the display shows where keys are read.
const keysHelp = "w/s one more or fewer, W/S ten, p pause, q end"

// byKeys is who changes a run by the keys.
const byKeys = "the keys of the terminal"

// watchKeys obeys the keys of whoever sits at the terminal, Locust's w W s S among them, until stop is called, which puts the
// terminal right again. say is told what cannot be done. Where standard input is no terminal there is nothing to do.
func watchKeys(c *console, control *experiment.Control, say func(string)) (stop func(), watching bool) {
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

// obey does what a key asks for.
func obey(key byte, control *experiment.Control) error {
	var err error
	switch key {
	case 'w':
		err = control.Add(byKeys, 1)
	case 'W':
		err = control.Add(byKeys, 10)
	case 's':
		err = control.Add(byKeys, -1)
	case 'S':
		err = control.Add(byKeys, -10)
	case 'p':
		if control.Paused() {
			err = control.Resume(byKeys)
		} else {
			err = control.Pause(byKeys)
		}
	case 'q':
		control.Stop("ended by " + byKeys)
	}
	if errors.Is(err, run.ErrNoLoad) {
		return nil // pressed a little early or late
	}
	if err != nil {
		return fmt.Errorf("%c: %w", key, err)
	}
	return nil
}
