package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Slice is one part of the requests, by name or class: before the event and during it.
type Slice struct {
	Name                   string
	BeforeCount, BeforeBad uint64
	DuringCount, DuringBad uint64
}

// Partial is what Blast found.
type Partial struct {
	Affected []string // slices that fail more than before
	Unsent   []string // slices that were hardly sent during it, as they follow others that failed: not judged
	Radius   float64  // their share of the slices that could be judged; NaN if there are none
	Total    bool     // all requests together fail more than before
	Hidden   bool     // slices fail, all together look healthy
	Warnings []string
}

// Blast says which slices fail more than before: by more than 0.5 percentage points and beyond chance, the z-test of two
// ratios with a continuity of half an observation, at the level of 3 standard deviations shared among the slices
// (Bonferroni).
//
// A slice of which less than half was sent, in relation to the one that was sent best, and that did not fail, is not judged:
// what was sent of it is what followed a success.
//
// It assumes independent requests.
func Blast(slices []Slice) Partial {
	p := Partial{Radius: math.NaN()}
	var total Slice
	judged := 0
	critical := bandWidth * 1.0
	if n := len(slices); n > 1 {
		critical = distuv.UnitNormal.Quantile(1 - normalTail(bandWidth)/float64(n))
	}
	pace := 0.0
	for _, s := range slices {
		if s.BeforeCount >= FewestRequests {
			pace = max(pace, float64(s.DuringCount)/float64(s.BeforeCount))
		}
	}
	for _, s := range slices {
		total.BeforeCount, total.BeforeBad = total.BeforeCount+s.BeforeCount, total.BeforeBad+s.BeforeBad
		total.DuringCount, total.DuringBad = total.DuringCount+s.DuringCount, total.DuringBad+s.DuringBad
		usual := pace * float64(s.BeforeCount)
		worse := s.worse(critical)
		if usual >= FewestRequests && s.BeforeCount >= FewestRequests && float64(s.DuringCount) < usual/2 && !worse {
			p.Unsent = append(p.Unsent, s.Name)
			continue
		}
		if s.BeforeCount < FewestRequests || s.DuringCount < FewestRequests {
			p.Warnings = append(p.Warnings, s.Name+" has too few requests to be judged")
			continue
		}
		judged++
		if worse {
			p.Affected = append(p.Affected, s.Name)
		}
	}
	if judged == 0 {
		p.Warnings = append(p.Warnings, "there is nothing to judge")
		return p
	}
	p.Radius = float64(len(p.Affected)) / float64(judged)
	p.Total = total.worse(bandWidth)
	p.Hidden = len(p.Affected) > 0 && !p.Total
	return p
}

func (s Slice) worse(critical float64) bool {
	if s.BeforeCount == 0 || s.DuringCount == 0 {
		return false
	}
	n, m := float64(s.BeforeCount), float64(s.DuringCount)
	a, b := float64(min(s.BeforeBad, s.BeforeCount)), float64(min(s.DuringBad, s.DuringCount))
	rise := b/m - a/n
	pooled := (a + b + 0.5) / (n + m + 1)
	return rise > successMargin && rise > critical*math.Sqrt(pooled*(1-pooled)*(1/n+1/m))
}
