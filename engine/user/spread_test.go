package user_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"tidegauge/engine/plan"
	"tidegauge/engine/protocol"
	"tidegauge/engine/user"
)

// classesPlan makes a plan of classes A, B, C… from settings such as "weight: 3".
func classesPlan(settings ...string) string {
	var b strings.Builder
	b.WriteString("classes:\n")
	for i, s := range settings {
		if s != "" {
			s += ", "
		}
		fmt.Fprintf(&b, "  %c: {%stasks: [{get: /%d}]}\n", 'A'+i, s, i)
	}
	return b.String()
}

func letters(n int, class func(i int) int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'A' + byte(class(i))
	}
	return string(b)
}

func TestClassOf(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		want     string // the classes of the first users
	}{
		{"one class", []string{""}, "AAAA"},
		{"equal weights take turns", []string{"", "", ""}, "ABCABC"},
		{"3:1 as Locust spawns it", []string{"weight: 3", "weight: 1"}, "AABAAABA"},
		{"5:1:1 as nginx has it", []string{"weight: 5", "weight: 1", "weight: 1"}, "AABACAAAABACAA"},
		{"a common divisor changes nothing", []string{"weight: 300", "weight: 100"}, "AABAAABA"},
		{"fixed first, weight ignored", []string{"weight: 5", "fixed: 2, weight: 100"}, "BBAAAA"},
		{"two fixed in proportion", []string{"fixed: 3", "fixed: 1", ""}, "AABACCCC"},
		{"fixed and two weights", []string{"weight: 2", "fixed: 1", "weight: 1"}, "BACAACA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, classesPlan(c.settings...)+fmt.Sprintf("tests: {load: {users: %d, duration: 1m}}\n", len(c.want)), answer(200, ""))
			if got := letters(len(c.want), r.mix.ClassOf); got != c.want {
				t.Errorf("the first users are %s, want %s", got, c.want)
			}
		})
	}
}

// TestClassesEven: of any number of users, every class has its share to less than one user and a half.
func TestClassesEven(t *testing.T) {
	weights := []int{7, 1, 3, 2, 90}
	settings := make([]string, len(weights))
	sum := 0
	for i, w := range weights {
		settings[i] = fmt.Sprintf("weight: %d", w)
		sum += w
	}
	r := newRig(t, classesPlan(settings...), answer(200, ""))
	for name, classOf := range map[string]func(int) int{
		"users":    r.mix.ClassOf,
		"arrivals": func(i int) int { return r.mix.ClassFor(uint64(i)) },
	} {
		counts := make([]int, len(weights))
		for n := 1; n <= 10*sum; n++ {
			counts[classOf(n-1)]++
			for c, w := range weights {
				if share := float64(n*w) / float64(sum); math.Abs(float64(counts[c])-share) > 1.5 {
					t.Fatalf("%s: of %d, class %d has %d, its share is %.2f", name, n, c, counts[c], share)
				}
			}
		}
		for c, w := range weights {
			if counts[c] != 10*w {
				t.Errorf("%s: after ten cycles class %d has %d, want exactly %d", name, c, counts[c], 10*w)
			}
		}
	}
}

// TestClassesOfGreatWeights: weights that would need a long cycle are rounded, and nobody is forgotten.
func TestClassesOfGreatWeights(t *testing.T) {
	r := newRig(t, classesPlan("weight: 999983", "weight: 499979", "weight: 1"), answer(200, ""))
	const n = 1 << 17
	counts := make([]int, 3)
	for i := range n {
		counts[r.mix.ClassOf(i)]++
	}
	if share := float64(counts[0]) / n; math.Abs(share-2.0/3) > 0.001 {
		t.Errorf("class A has %.4f of the users, want 0.667", share)
	}
	if counts[2] < 1 || counts[2] > 8 {
		t.Errorf("class C, a millionth, has %d of %d users", counts[2], n)
	}
}

func TestClassForIgnoresFixedWhereThereAreWeights(t *testing.T) {
	p := readPlan(t, classesPlan("fixed: 3", "weight: 1"))
	test := p.Tests[0]
	test.Shape.Model = plan.Open
	m, err := user.NewMix(p, &test, user.Options{Dial: func() (protocol.Client, error) { return answer(200, ""), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if got := letters(6, func(i int) int { return m.ClassFor(uint64(i)) }); got != "ABABAB" {
		t.Errorf("arrivals are of %s, want the weights 1:1", got)
	}
}

func TestMoreUsersThanFixed(t *testing.T) {
	p := readPlan(t, classesPlan("fixed: 3", "fixed: 2")+"tests: {load: {users: 9, duration: 1m}}\n")
	_, err := user.NewMix(p, &p.Tests[0], user.Options{})
	if err == nil || !strings.Contains(err.Error(), "test load: it asks for 9 users") || !strings.Contains(err.Error(), "5 in all") {
		t.Errorf("error %v, want one that names 9 and 5", err)
	}
}
