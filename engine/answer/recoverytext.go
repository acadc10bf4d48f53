package answer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/stat"
)

// headline says what became of all of it.
func headline(episodes []episode, what string) string {
	count := func(o ...outcome) int {
		n := 0
		for i := range episodes {
			if slices.Contains(o, episodes[i].outcome) {
				n++
			}
		}
		return n
	}
	n, every := len(episodes), "the "+what
	if n > 1 {
		every = fmt.Sprintf("each of %d %ss", n, what)
	}
	switch {
	case count(metastable, lost) > 0 && n > 1:
		return fmt.Sprintf("It did not come back after %d of %d %ss.", count(metastable, lost), n, what)
	case count(metastable, lost) > 0:
		return "It did not come back after the " + what + "."
	case count(unknown) > 0:
		return "Whether it came back is not known."
	case count(short) > 0:
		return "Whether it came back for good is not known."
	case count(unaffected) == n:
		return "It took " + every + " without a sign."
	}
	return "It came back after " + every + "."
}

// mostClauses bounds how many episodes are told of in words; the figures are of all.
const mostClauses = 3

// clauses says what became of the target in the episodes that tell most: the worst, in the order of their time.
func (r *run) clauses(episodes []episode, clause func(*episode) string) string {
	badness := func(i int) int {
		return slices.Index([]outcome{metastable, lost, short, unknown, recovered, unaffected}, episodes[i].outcome)
	}
	order := make([]int, len(episodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(badness(a), badness(b)) })
	told := slices.Sorted(slices.Values(order[:min(mostClauses, len(order))]))
	var parts []string
	for _, i := range told {
		parts = append(parts, clause(&episodes[i]))
	}
	if n := len(episodes) - len(told); n > 0 {
		parts = append(parts, fmt.Sprintf("The figures have the other %d too.", n))
	}
	return " " + strings.Join(parts, " ")
}

// clause says what became of the target in one episode.
func (r *run) clause(x *episode) string {
	s := &x.spike
	name := strings.ToUpper(x.Subject[:min(1, len(x.Subject))]) + x.Subject[min(1, len(x.Subject)):]
	switch x.outcome {
	case unknown:
		return fmt.Sprintf("%s: %s.", name, x.why)
	case unaffected:
		return fmt.Sprintf("%s did not show.", name)
	}
	text := name + " showed at once"
	switch {
	case !s.Affected:
		text = name + " showed for moments only"
	case s.Detected.After >= x.To-x.From:
		text = fmt.Sprintf("%s showed %s after it had ended", name, precisely((s.Detected.After - (x.To - x.From)).Seconds()))
	case s.Detected.After >= r.width:
		text = fmt.Sprintf("%s showed after %s", name, precisely(s.Detected.After.Seconds()))
	}
	switch {
	case len(x.breaker.Trips) > 0:
		text += ", requests failed slowly until a circuit breaker opened, " + x.openingText()
	case x.failing == stat.FailsFast:
		text += ", requests failed fast (p95 " + precisely(x.failures.P95.Seconds()) + ")"
	case x.failing == stat.Hangs:
		text += ", requests hung until their timeout"
	case x.failing == stat.FailsMixed:
		text += fmt.Sprintf(", requests failed neither fast nor by their timeout (p50 %s, p95 %s)", precisely(x.failures.P50.Seconds()), precisely(x.failures.P95.Seconds()))
	}
	switch x.outcome {
	case recovered:
		text += ", and it was back " + afterwards(s.Recovered.After, "as soon as it ended", "after the end")
	case metastable:
		text += fmt.Sprintf(", and %s after the end, at the usual load, it was still not back: a metastable state", r.watched(x))
	case lost:
		text += fmt.Sprintf(", and %s after the end it was not back", r.watched(x))
	default:
		text += fmt.Sprintf(", and only %s were measured after the end, without %s of it good", r.watched(x), precisely(hold.Seconds()))
	}
	return text + "."
}

// afterwards says how long after something something else was, or that it was at once.
func afterwards(d time.Duration, atOnce, after string) string {
	if d == 0 {
		return atOnce
	}
	return precisely(d.Seconds()) + " " + after
}

// openingText says how often a breaker opened, and who says so.
func (x *episode) openingText() string {
	if !math.IsNaN(x.openings) {
		return fmt.Sprintf("by its own count %s", times(x.openings))
	}
	return fmt.Sprintf("it seems %s", times(float64(x.breaker.Openings())))
}

func times(n float64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%.0f times", n)
}

// stormWarning tells of requests that multiplied on their way.
func (r *run) stormWarning(x *episode) []string {
	const storm = 1.5
	if n := x.spike.Amplification; n >= storm {
		return []string{fmt.Sprintf("%s: a retry storm: the target counted up to %.1f times as many requests as were meant to be made, by what is usual", x.Subject, n)}
	}
	return nil
}
