package outlet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Left is what an outlet that is not used any more has left in its file.
type Left struct {
	File    string
	Outlet  string // its name
	Waiting uint64
	Sent    uint64
	Until   time.Time // of the latest sample that waits; there may be later ones in the store that nobody has counted
	Heir    string    // the name of the outlet that took its place; empty: none has

	state state
}

// FindLeft returns what the outlets have left whose files are in a folder, in the order of their names, and for which samples
// are waiting. Files that cannot be read are passed over: New says so where one is needed.
func FindLeft(dir string) ([]Left, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var list []Left
	for _, file := range files {
		text, err := os.ReadFile(file)
		var s state
		if err != nil || json.Unmarshal(text, &s) != nil || s.Produced <= s.Sent+s.Lost {
			continue
		}
		list = append(list, Left{
			File: file, Outlet: s.Outlet, Waiting: s.Produced - s.Sent - s.Lost, Sent: s.Sent, Until: time.UnixMilli(s.Counted), Heir: s.HandedOn, state: s,
		})
	}
	return list, nil
}

// HandOn has a new outlet begin where the one that left this stopped: New finds its cursor in the file. The old one's file
// stays, so that it loses nothing if it is used again. Where the new one has a file already nothing happens.
func (l *Left) HandOn(file, name string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next := state{Outlet: name, Cursor: l.state.Cursor, Counted: l.state.Counted, Produced: l.Waiting, Behind: l.state.Behind}
	err := next.save(file)
	if err == nil {
		l.state.HandedOn = name
		err = l.state.save(l.File)
	}
	if err != nil {
		return fmt.Errorf("handing on what waits for outlet %s to outlet %s: %w", l.Outlet, name, err)
	}
	return nil
}
