package plan

import (
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

// Runs reports whether a task is part of the test by Locust's rules of tags: it needs at least one of Tags, if there are
// any, and none of ExcludeTags. A task of weight 0 is never picked.
func (t *Test) Runs(task *Task) bool {
	listed := func(tag string) bool { return slices.Contains(t.Tags, tag) }
	excluded := func(tag string) bool { return slices.Contains(t.ExcludeTags, tag) }
	return task.Weight > 0 && (len(t.Tags) == 0 || slices.ContainsFunc(task.Tags, listed)) &&
		!slices.ContainsFunc(task.Tags, excluded)
}

// TakesPart reports whether there are users of a class in the test: the test names it or names none, and it has a task
// that runs.
func (t *Test) TakesPart(c *UserClass) bool {
	return (len(t.Classes) == 0 || slices.Contains(t.Classes, c.Name)) &&
		slices.ContainsFunc(c.Tasks, func(task Task) bool { return t.Runs(&task) })
}

func (d *decoder) tests(n node, p *Plan) []Test {
	members, ok := d.Members(n, "a mapping of test names to tests")
	if ok && len(members) == 0 {
		d.Wrong(n, "there is no test, expected at least one: tests: {load: {arrivals: 10/s, duration: 1m}}")
	}
	all := make([]Test, 0, len(members))
	for _, m := range members {
		d.keyName(m.Key)
		all = append(all, d.test(m, p))
	}
	return all
}

var types = []string{string(Load), string(Stress), string(Spike), string(Soak), string(Recovery)}

func (d *decoder) test(m member, p *Plan) Test {
	n := m.Value
	t := Test{Pos: d.Pos(m.Key), Name: m.Key.Value, Type: Load, StopTimeout: DefaultStopTimeout}
	l := load{d: d, test: n}
	var process string
	var arrivals, users, search node
	found, known := d.Mapping(n, "a test",
		document.Key("type", document.Into((*string)(&t.Type), func(n node) (string, bool) { return d.Choice(n, "type", types) })),
		document.Key("arrivals", func(n node) { arrivals = n }),
		document.Key("users", func(n node) { users = n }),
		document.Key("spawn_rate", document.Into(&l.spawn, d.perSecond)),
		document.Key("duration", document.Into(&l.duration, d.Positive)),
		document.Key("search", func(n node) { search = n }),
		document.Key("max_users", document.Into(&t.Shape.MaxUsers, d.Whole(1, maxUsers))),
		document.Key("arrival_process", document.Into(&process, func(n node) (string, bool) {
			return d.Choice(n, "arrival process", []string{"regular", "poisson"})
		})),

		document.Key("classes", document.Into(&t.Classes, d.Words("class names"))),
		document.Key("tags", document.Into(&t.Tags, d.tags)),
		document.Key("exclude_tags", document.Into(&t.ExcludeTags, d.tags)),
		document.Key("stop_timeout", document.Into(&t.StopTimeout, d.Duration)),
		document.Key("warm_up", document.Into(&t.WarmUp, d.warmUp)),
		document.Key("against", document.Into(&t.Against, document.Read(d.Decoder, baseURLForm, parseBaseURL))),
		document.Key("stop", document.Into(&t.Decide.Stop, d.stop)),
		document.Key("at_most", document.Into(&t.Decide.AtMost, d.Positive)),
		document.Key("faults", func(n node) { t.Faults = d.faults(n, p) }),
		document.Key("replicas", document.Into(&t.Replicas, d.vector)),
		document.Key("objectives", func(n node) { t.Objectives = d.objectives(n, p) }),
	)
	if _, ok := found["faults"]; !ok && known && t.Type == Recovery {
		d.Wrong(n, "faults is missing, expected what the target is to recover from: faults: [{at: 2m, for: 20s, tcp: database, cut: true}]")
	}
	if t.Type != Load {
		d.meaningless(found, "two targets are loaded in turns by tests of type load", "against")
	}
	if t.Type != Spike {
		d.meaningless(found, "how fast replicas follow the load is a question of tests of type spike", "replicas")
	}
	if length, ok := found["duration"]; ok {
		l.length = &length
	}
	l.stress = t.Type == Stress
	t.Shape.Poisson = process == "poisson"
	before := d.Count()
	switch l.key = d.ExactlyOne(n, found, known, "arrivals", "users"); l.key {
	case "arrivals":
		l.amount = d.Rate
		d.meaningless(found, "the number of users follows from the arrivals; max_users bounds it", "spawn_rate")
		t.Shape.Model = Open
		d.shape(&t, &l, arrivals)
	case "users":
		l.amount = d.users
		d.meaningless(found, "the users make the load as fast as they are answered", "max_users", "arrival_process")
		if _, ok := found["spawn_rate"]; !ok {
			l.spawn = DefaultSpawnRate
		} else if users.Kind != yaml.ScalarNode {
			d.meaningless(found, "the stages say how fast users start", "spawn_rate")
		}
		t.Shape.Model = Closed
		d.shape(&t, &l, users)
	}
	if _, ok := found["search"]; ok {
		if t.Search == nil || t.Search.Steps() {
			d.meaningless(found, "only a test of type stress whose load is {from, to}, without a duration, searches", "search")
		} else {
			d.search(search, t.Search)
			t.Shape.Stages[0].Over = t.Search.Budget
		}
	}
	d.checkWarmUp(&t, found)
	d.checkDecide(&t, found)
	if len(p.Classes) > 0 {
		d.completeTest(&t, p, found, n, l.key != "" && d.Count() == before)
	}
	return t
}

// meaningless reports keys that say something about another model.
func (d *decoder) meaningless(found map[string]member, why string, keys ...string) {
	for _, key := range keys {
		if m, ok := found[key]; ok {
			d.Wrong(m.Key, "%s has no meaning here: %s, expected it to be left out", key, why)
		}
	}
}

func (d *decoder) shape(t *Test, l *load, n node) {
	t.Shape.Pos = d.Pos(n)
	before := d.Count()
	stages := l.stages(n)
	if d.Count() > before || stages == nil || !l.check(n, stages) {
		return
	}
	t.Shape.Stages = slices.DeleteFunc(stages, func(s Stage) bool { return s.Over == 0 && s.From == s.To })
	if t.Search = l.search; t.Search != nil {
		t.Search.Pos = t.Shape.Pos
	}
}

// problem is something about a test as a whole.
type problem struct {
	key     string // of the test, that it is about
	item    int    // the element of the key's list; -1: all of it
	message string
}

// complete fills in what depends on the plan as a whole, and returns what is wrong with a test of known words.
func (p *Plan) complete(t *Test) []problem {
	var problems []problem
	var taking []*UserClass
	weight, count := 0, 0
	for i := range p.Classes {
		if c := &p.Classes[i]; t.TakesPart(c) {
			taking = append(taking, c)
			weight, count = weight+c.Weight, count+c.Fixed
			if c.Fixed > 0 && t.Shape.Model == Open {
				problems = append(problems, problem{"arrivals", -1, fmt.Sprintf("the class %s has a fixed number of users, which has no meaning with arrivals, expected classes without fixed, or users", document.Quoted(c.Name))})
			}
		}
	}
	switch {
	case len(taking) == 0 && len(t.Tags)+len(t.ExcludeTags) > 0:
		key := "tags"
		if len(t.Tags) == 0 {
			key = "exclude_tags"
		}
		problems = append(problems, problem{key, -1, "the tags leave no task to run, expected at least one; the tags there are: " + document.List(p.tags())})
	case len(taking) == 0:
		problems = append(problems, problem{"classes", -1, "there is no task to run"})
	case weight == 0 && count == 0:
		problems = append(problems, problem{"classes", -1, "all classes have weight 0, expected one that has users"})
	}
	problems = append(problems, t.faultProblems()...)
	return append(problems, p.completeUsers(t, taking)...)
}

// completeUsers chooses the bound of users of the open model, and sees that data of unique order has a row for each user.
func (p *Plan) completeUsers(t *Test, taking []*UserClass) []problem {
	rows, scarce := maxUsers, ""
	for i := range p.Data {
		one := &p.Data[i]
		used := func(c *UserClass) bool { return slices.Contains(c.Data, one.Name) }
		if one.Order == "unique" && one.Rows < rows && slices.ContainsFunc(taking, used) {
			rows, scarce = one.Rows, one.Name
		}
	}
	s := &t.Shape
	if s.Model == Open && s.MaxUsers == 0 {
		if t.Search != nil {
			s.MaxUsers = min(defaultSearchUsers(t.Search), rows)
		} else {
			s.MaxUsers = min(defaultMaxUsers(s.Stages, p.Target.Timeout), rows)
		}
	}
	if s.peakUsers() <= rows {
		return nil
	}
	key := "users"
	if s.Model == Open {
		key = "max_users"
	}
	return []problem{{key, -1, fmt.Sprintf("up to %d users, but the data set %s has %d rows and gives each user one of its own (order: unique), expected more rows, fewer users or another order", s.peakUsers(), document.Quoted(scarce), rows)}}
}

// unknownWords finds classes and tags that the plan does not have.
func (p *Plan) unknownWords(t *Test) []problem {
	var problems []problem
	unknown := func(key, kind string, words, known []string) {
		for i, word := range words {
			if !slices.Contains(known, word) {
				problems = append(problems, problem{key, i, document.UnknownName(kind, word, known)})
			}
		}
	}
	classes := make([]string, len(p.Classes))
	for i := range p.Classes {
		classes[i] = p.Classes[i].Name
	}
	unknown("classes", "class", t.Classes, classes)
	unknown("tags", "tag", t.Tags, p.tags())
	unknown("exclude_tags", "tag", t.ExcludeTags, p.tags())
	return problems
}

// tags returns the tags of all tasks, each once, sorted.
func (p *Plan) tags() []string {
	var tags []string
	for i := range p.Classes {
		for j := range p.Classes[i].Tasks {
			tags = append(tags, p.Classes[i].Tasks[j].Tags...)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// completeTest reports what is wrong with a test as a whole where the plan says it, and gathers its objectives. whole is
// false if the load of the test is not known.
func (d *decoder) completeTest(t *Test, p *Plan, found map[string]member, n node, whole bool) {
	problems := p.unknownWords(t)
	if len(problems) == 0 && whole {
		problems = p.complete(t)
	}
	if d.problems(problems, found, n); len(problems) > 0 {
		return
	}
	before := d.Count()
	requests := p.requests(t)
	for i := range t.Objectives {
		o := &t.Objectives[i]
		if !t.answers(o) {
			d.Report(o.Pos, document.Below(n.Path, "objectives"), "a test of type %s has no figure %s, expected it in a test of type %s", t.Type, figureWord(o.Figure), figureTypes()[o.Figure][0])
		}
		if !o.concerns(requests) {
			d.Report(o.Pos, document.Below(n.Path, "objectives"), "no request of the test %s matches %s, expected one that it sends", document.Quoted(t.Name), document.Quoted(o.Text))
		}
	}
	own := t.Objectives
	t.Objectives = nil
	for _, o := range p.Objectives {
		if o.concerns(requests) && t.answers(&o) {
			t.Objectives = append(t.Objectives, o)
		}
	}
	t.Objectives = withoutRepeated(append(t.Objectives, own...))
	if t.Type == Soak {
		// What grows is what the answer of a soak test is about, and it knows better: there is to be one truth.
		t.Objectives = slices.DeleteFunc(t.Objectives, func(o Objective) bool { return o.Preset == "memory" })
	}
	if whole && d.Count() == before {
		problems := append(t.searchProblems(), t.decideProblems()...)
		if d.Count() > 0 { // the objectives that seem to be missing may be among the mistakes
			problems = slices.DeleteFunc(problems, func(x problem) bool { return x.key == "type" })
		}
		d.problems(problems, found, n)
	}
}

// problems reports what is wrong with a test where the plan says it.
func (d *decoder) problems(problems []problem, found map[string]member, n node) {
	for _, problem := range problems {
		at := n
		if m, ok := found[problem.key]; ok {
			at = m.Value
			if problem.item >= 0 && problem.item < len(at.Content) {
				at = document.Follow(at.Content[problem.item], document.Indexed(at.Path, problem.item))
			}
		}
		d.Wrong(at, "%s", problem.message)
	}
}

// Duration returns how long the shape lasts.
func (s *Shape) Duration() time.Duration {
	var d time.Duration
	for _, st := range s.Stages {
		d += st.Over
	}
	return d
}
