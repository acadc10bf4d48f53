package answer

import (
	"strings"
	"testing"

	"tidegauge/engine/search"
)

func TestStress(t *testing.T) {
	change := func(stop search.Stop, f func(*StressInput)) StressInput {
		in := searched(stop)
		f(&in)
		return in
	}
	lower := func(v float64) func(*StressInput) {
		return func(in *StressInput) { in.Result.Lower, in.Result.Upper, in.Result.Capacity = v, 0, 0 }
	}
	for _, c := range []struct {
		name     string
		in       StressInput
		standing Standing
		code     string
		text     string
	}{
		{"found", searched(search.Found), Good, CodeCapacity,
			"It carries 400/s and not 412/s, each by a majority of its confirming trials; half of the trials pass at about 405/s; first to break: p95 < 500ms; nearest its limit was pool (HikariCP), at 100% of it."},
		{"found by steps", change(search.Found, func(in *StressInput) { in.Steps, in.Users = true, true }), Good, CodeCapacity,
			"It carries 400 users and breaks at 412 users, by one trial of each"},
		{"not confirmed", searched(search.Unconfirmed), Good, CodeCapacity, "It breaks at about 405/s; the confirming trials did not settle"},
		{"without limit", change(search.Unlimited, lower(2000)), Good, CodeCapacity, "It carries 2000/s, the highest load that was to be tried"},
		{"doomed", change(search.Doomed, func(in *StressInput) {
			in.Result = search.Result{Stop: search.Doomed, Upper: 420}
			in.Trials = in.Trials[7:8]
		}), Bad, CodeNoCapacity,
			"It fails at the lowest load already, 420/s; first to break: p95"},
		{"of the generator", change(search.GeneratorLimited, func(in *StressInput) {
			lower(400)(in)
			in.Result.GeneratorLimit = 800
			in.Trials = in.Trials[:5]
			in.Trials[4].Outcome, in.Trials[4].Reason, in.Trials[4].Missed = "generator", "the generator was late: p99 20 ms, allowed 10 ms", nil
		}), Undecided, CodeGeneratorLimited,
			"The generator's limit came before the target's: it did not make 800/s (the generator was late: p99 20 ms, allowed 10 ms); it carries 400/s at least; nearest its limit was pool (HikariCP), at 98% of it."},
		{"too few trials that the generator made", change(search.GeneratorLimited, func(in *StressInput) {
			in.Result = search.Result{Stop: search.GeneratorLimited, GeneratorLimit: 420}
			in.Trials = []StressTrial{in.Trials[7], in.Trials[7], in.Trials[7]}
			in.Trials[2].Outcome, in.Trials[2].Reason, in.Trials[2].Missed = "generator", "the generator was late: p99 20 ms, allowed 10 ms", nil
		}), Undecided, CodeGeneratorLimited,
			"The generator's limit came before the target's: it did not make 420/s (the generator was late: p99 20 ms, allowed 10 ms); 2 trials at 420/s failed, too few to say that it breaks there; nearest"},
		{"disturbed by the generator at the bounds", change(search.GeneratorLimited, func(in *StressInput) { in.Result.GeneratorLimit = 412 }), Good, CodeCapacity,
			"It carries 400/s and breaks at 412/s; the generator failed to make some of the trials there"},
		{"disturbed again and again", change(search.Disturbed, func(in *StressInput) {
			in.Trials[4].Outcome, in.Trials[4].Reason, in.Trials[4].Missed = "generator", "the generator was late: p99 20 ms, allowed 10 ms", nil
		}), Undecided, CodeGeneratorLimited,
			"The generator was disturbed: it did not make loads again that it had made before (at "},
		{"out of budget", change(search.OutOfBudget, func(in *StressInput) {
			in.Result.Reason = "14 trials took 7m, and the budget of 7m has no room for another"
		}), Undecided, CodeBudget,
			"14 trials took 7m, and the budget of 7m has no room for another: it carries 400/s and breaks at 412/s; first to break"},
		{"stopped", change(search.Running, func(in *StressInput) { in.Stopped = true; lower(200)(in) }), Undecided, CodeInterrupted,
			"The search was ended after 14 trials: it carries 200/s at least"},
		{"nothing", StressInput{Result: search.Result{}}, Undecided, CodeInterrupted, "The search did not come to its end after 0 trials: nothing is known yet."},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := Stress(c.in)
			if a.Standing != c.standing || a.Code != c.code || !strings.HasPrefix(a.Text, c.text) {
				t.Errorf("%s %q: %s\nwant %s %q: %s…", a.Standing, a.Code, a.Text, c.standing, c.code, c.text)
			}
		})
	}
}
