package exporters

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"tidegauge/engine/outlet"
)

// file returns where an outlet keeps its cursor.
func (d *described) file(dir string) string { return filepath.Join(dir, fileOf(d.id)) }

// queueFile returns where an outlet keeps the spans or events that wait.
func (d *described) queueFile(dir, signal string) string { return queueFile(d.file(dir), signal) }

func queueFile(cursor, signal string) string {
	return strings.TrimSuffix(cursor, ".json") + "." + signal
}

// handOn looks for what waits for outlets that are not among those to be opened. An outlet that never once sent a sample was
// misspelled or aimed at the wrong place: a new one of its kind takes its place. So does one that the user has given the same
// name, since it has moved. For the others people are told what is waiting, and how it gets sent.
func handOn(o *Options, list []described) error {
	all, err := outlet.FindLeft(o.Dir)
	if err != nil || len(all) == 0 {
		return err
	}
	oldest, err := o.Store.Oldest()
	if err != nil {
		return err
	}
	used, names := map[string]bool{}, map[string]bool{}
	for i := range list {
		used[list[i].file(o.Dir)] = true
		names[list[i].spec.Name] = true
	}
	slices.SortStableFunc(all, func(a, b outlet.Left) int { // a name says more than that nothing was sent
		switch {
		case names[a.Outlet] == names[b.Outlet]:
			return 0
		case names[a.Outlet]:
			return -1
		}
		return 1
	})
	heirs := map[string]bool{} // files of outlets that have taken a place
	for i := range all {
		left := &all[i]
		if used[left.File] || left.Heir != "" || left.Until.Before(oldest) {
			continue
		}
		if heir := heirOf(left, list, heirs, o.Dir); heir != nil {
			file := heir.file(o.Dir)
			heirs[file] = true
			err := left.HandOn(file, heir.name)
			for _, signal := range []string{outlet.Spans, outlet.Events} {
				err = errors.Join(err, copyFile(queueFile(left.File, signal), heir.queueFile(o.Dir, signal)))
			}
			if err != nil {
				return err
			}
			o.notify(fmt.Sprintf("outlet %s: takes the place of %s, which %s: %s waiting to be sent", heir.name, left.Outlet, why(left), amount(left)))
			continue
		}
		o.notify(fmt.Sprintf("outlet %s is not in use, but %s waiting for it, measured until %s: they are sent when it is used again, for as long as the store keeps them; to give them up remove %s",
			left.Outlet, amount(left), left.Until.Format(time.DateTime), left.File))
	}
	return nil
}

// heirOf returns the outlet that is new and takes the place of another; nil: there is none.
func heirOf(left *outlet.Left, list []described, taken map[string]bool, dir string) *described {
	kind, _, _ := strings.Cut(filepath.Base(left.File), "-")
	var heir *described
	for i := range list {
		one := &list[i]
		sameName := one.spec.Name != "" && one.name == left.Outlet
		fits := one.samples.Writer != nil && one.spec.Kind == kind && (left.Sent == 0 || sameName)
		if fits && !taken[one.file(dir)] && !exists(one.file(dir)) && (heir == nil || sameName) {
			heir = one
		}
	}
	return heir
}

func why(left *outlet.Left) string {
	if left.Sent == 0 {
		return "never took a sample"
	}
	return "had the same name"
}

func amount(left *outlet.Left) string {
	if left.Waiting == 1 {
		return "1 sample is"
	}
	return fmt.Sprintf("%d samples are", left.Waiting)
}

// copyFile copies a file, if it is there.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return renameio.WriteFile(to, text, 0o644)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func (o *Options) notify(text string) {
	if o.Notify != nil {
		o.Notify(text)
	}
}
