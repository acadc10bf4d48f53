package compare

import (
	"fmt"
	"slices"

	"tidegauge/engine/stat"
)

// Paired compares two targets that one schedule has loaded in turns: value i of first and of second are of blocks that lie side by side.
// It asks whether the target is worse than the one it is compared with: target is the run's, against the other. There is nothing to
// confirm, since what the machine does to both falls out. With fewer than 5 pairs the verdict is indicative.
func Paired(run, target, against string, targets, others []Values) *Comparison {
	n := min(len(targets), len(others))
	c := &Comparison{
		Schema: Schema, Run: run, Rows: []Row{}, Runs: []string{}, Paired: n,
		Baseline: fmt.Sprintf("%s, by %d pairs of blocks in turns; now is %s", against, n, target),
	}
	if n == 0 {
		c.Paired, c.Verdict, c.Summary = 0, stat.Invalid, "the run was over before both targets had their turns"
		c.Baseline = against
		return c
	}
	c.pair(targets[:n], others[:n], key.main)
	c.pair(targets[:n], others[:n], func(k key) bool { return k.request != "" })
	c.judge()
	return c
}

// pair compares one family of metrics.
func (c *Comparison) pair(targets, others []Values, family func(key) bool) {
	var keys []key
	for i := range targets {
		for j := range targets[i].Values {
			if k := targets[i].Values[j].key(); family(k) && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 {
		return
	}
	quantities := make([]stat.Quantity, len(keys))
	a, b := make([][]stat.RunValue, len(keys)), make([][]stat.RunValue, len(keys))
	for i, k := range keys {
		q, unit := k.quantity()
		quantities[i] = q
		row := Row{Request: k.request, Metric: k.metric, Unit: unit, History: []float64{}}
		for j := range targets {
			before, after := valueOf(&others[j], k), valueOf(&targets[j], k)
			a[i], b[i] = append(a[i], before), append(b[i], after)
			if r := after.Value / before.Value; finite(r) != nil {
				row.History = append(row.History, r)
			}
		}
		c.Rows = append(c.Rows, row)
	}
	found := stat.ComparePaired(quantities, a, b)
	rows := c.Rows[len(c.Rows)-len(found):]
	for i := range found {
		rows[i].take(&found[i])
		c.Confirmed = c.Confirmed || found[i].Judgement == stat.Regression
	}
}
