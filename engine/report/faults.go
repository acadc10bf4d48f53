package report

import "fmt"

// state says what became of a fault, and in which style.
func (f *Fault) state() (string, style) {
	switch {
	case f.Error != "" && f.Start == nil:
		return "was not started: " + f.Error, red
	case f.Error != "":
		return f.Error, red
	case f.Start == nil:
		return "the run was over before", yellow
	case f.End == nil:
		return "in force", yellow
	}
	return fmt.Sprintf("in force from %s to %s", duration(*f.Start), duration(*f.End)), plain
}

// faults writes what was broken.
func (r *Report) faults(t *text) {
	if len(r.Faults) == 0 {
		return
	}
	t.heading("Faults", "times since the start")
	for i := range r.Faults[:min(maxRows, len(r.Faults))] {
		f := &r.Faults[i]
		what := Clean(f.Name)
		if f.Target != "" {
			what += " of " + Clean(f.Target)
		}
		state, st := f.state()
		t.paragraph("  ", st, what+": "+state)
	}
	if n := len(r.Faults) - maxRows; n > 0 {
		t.line(fmt.Sprintf("  … and %d more faults (see the JSON report)", n))
	}
}
