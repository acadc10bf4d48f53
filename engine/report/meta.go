package report

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/verdict"
)

// MetaOf describes a test of a plan on this machine.
func MetaOf(p *plan.Plan, t *plan.Test) Meta {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return Meta{
		Plan: p.Name, PlanFile: p.File, Labels: p.Labels, Test: t.Name, Type: t.Type, Target: p.Target.BaseURL, Against: t.Against, Seed: p.Seed,
		Shape: shapeOf(&t.Shape), Work: p.Work(t),
		Machine: Machine{Host: host, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
	}
}

func shapeOf(s *plan.Shape) Shape {
	out := Shape{Model: s.Model, Seconds: s.Duration().Seconds(), Poisson: s.Poisson, Stages: []Stage{}}
	if s.Model == plan.Open {
		out.MaxUsers = s.MaxUsers
	}
	for _, st := range s.Stages {
		out.Stages = append(out.Stages, Stage{st.Phase, st.From, st.To, st.Over.Seconds()})
	}
	out.Text = shapeText(s)
	return out
}

// shapeText describes a shape in words: "ramp to 50 users in 10s, 50 users for 5m0s".
func shapeText(s *plan.Shape) string {
	unit := " users"
	if s.Model == plan.Open {
		unit = "/s"
	}
	amount := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) + unit }
	const most = 4
	var parts []string
	for i, st := range s.Stages {
		if i == most && len(s.Stages) > most+1 {
			parts = append(parts, fmt.Sprintf("%d more stages", len(s.Stages)-most))
			break
		}
		length := verdict.FormatDuration(st.Over)
		switch {
		case st.Phase == "search":
			parts = append(parts, "search from "+amount(st.From)+" to "+amount(st.To)+" in at most "+length)
		case st.Over == 0:
			parts = append(parts, "jump to "+amount(st.To))
		case st.From == st.To:
			parts = append(parts, amount(st.To)+" for "+length)
		case i > 0 && s.Stages[i-1].To == st.From || st.From == 0:
			parts = append(parts, "to "+amount(st.To)+" in "+length)
		default:
			parts = append(parts, "from "+amount(st.From)+" to "+amount(st.To)+" in "+length)
		}
	}
	return strings.Join(parts, ", ")
}

// phaseEvents returns where the phases of the shape began, as far as the run came.
func phaseEvents(s *Shape, elapsed float64) []Event {
	var events []Event
	var at float64
	for _, st := range s.Stages {
		if at >= elapsed {
			break
		}
		if n := len(events); st.Seconds > 0 && (n == 0 || events[n-1].Text != st.Phase) {
			events = append(events, Event{At: at, Kind: "phase", Text: st.Phase})
		}
		at += st.Seconds
	}
	return events
}

// seconds converts a length of time, to the microsecond.
func seconds(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }
