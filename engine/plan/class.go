package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
	"tidegauge/engine/value"
)

func (d *decoder) classes(n node, names value.Names) []UserClass {
	members, ok := d.Members(n, "a mapping of class names to user classes")
	if ok && len(members) == 0 {
		d.Wrong(n, "there is no class, expected at least one: classes: {User: {tasks: [{get: /}]}}")
	}
	all := make([]UserClass, 0, len(members))
	for _, m := range members {
		d.keyName(m.Key)
		all = append(all, d.class(m, names))
	}
	return all
}

func (d *decoder) class(m member, names value.Names) UserClass {
	n := m.Value
	c := UserClass{Pos: d.Pos(m.Key), Name: m.Key.Value, Weight: 1, Data: dataUsed(n, names)}
	var tags []string
	found, known := d.Mapping(n, "a user class",
		document.Key("weight", document.Into(&c.Weight, d.Whole(0, maxWeight))),
		document.Key("fixed", document.Into(&c.Fixed, d.Whole(1, maxUsers))),
		document.Key("wait", document.Into(&c.Wait, d.wait)),
		document.Key("tags", document.Into(&tags, d.tags)),
		document.Key("tasks", func(n node) { c.Tasks = d.tasks(n, names) }),
	)
	if w, ok := found["weight"]; ok && c.Weight == 0 && c.Fixed == 0 {
		d.Wrong(w.Value, "a weight of 0 means that nobody is of this class, expected at least 1, or fixed: a number of users")
	}
	if _, ok := found["tasks"]; !ok && known {
		d.Wrong(n, "tasks is missing, expected what the users do: tasks: [{get: /}]")
	}
	for i := range c.Tasks {
		for _, tag := range tags {
			if !slices.Contains(c.Tasks[i].Tags, tag) {
				c.Tasks[i].Tags = append(c.Tasks[i].Tags, tag)
			}
		}
	}
	d.oneMethodPerName(&c)
	return c
}

// oneMethodPerName sees that requests of a class that share a name, and so a series, are of one kind.
func (d *decoder) oneMethodPerName(c *UserClass) {
	first := map[string]*Request{}
	for i := range c.Tasks {
		for j := range c.Tasks[i].Steps {
			r := c.Tasks[i].Steps[j].Request
			if r == nil || r.Name == "" || r.Method == "" {
				continue
			}
			before, ok := first[r.Name]
			if !ok {
				first[r.Name] = r
			} else if before.Method != r.Method {
				d.Wrong(d.requests[r], "%s has the name %s, as has the %s in line %d: one name is one series, expected another name",
					r.Method, document.Quoted(r.Name), before.Method, before.Pos.Line)
			}
		}
	}
}

// dataUsed returns the data sets that the texts of a class mention, sorted.
func dataUsed(n node, names value.Names) []string {
	used := map[string]bool{}
	for name := range names {
		mention := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\s*(\.|\?\.|\[)`)
		used[name] = mentions(n.Node, mention)
	}
	maps.DeleteFunc(used, func(_ string, u bool) bool { return !u })
	return slices.Sorted(maps.Keys(used))
}

func mentions(n *yaml.Node, what *regexp.Regexp) bool {
	if n.Kind == yaml.AliasNode {
		return mentions(n.Alias, what)
	}
	return n.Kind == yaml.ScalarNode && what.MatchString(n.Value) ||
		slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return mentions(c, what) })
}

func (d *decoder) tags(n node) ([]string, bool) {
	var tags []string
	for _, item := range d.Items(n, "tags") {
		tag, ok := d.name(item)
		if ok && strings.Contains(tag, ",") {
			d.Wrong(item, "the tag %s has a comma, expected one without: --tags separates tags by commas", document.Quoted(tag))
		}
		if ok {
			tags = append(tags, tag)
		}
	}
	return tags, true
}

func (d *decoder) tasks(n node, names value.Names) []Task {
	items := d.Items(n, "tasks")
	tasks := make([]Task, 0, len(items))
	total := 0
	for _, item := range items {
		t := d.task(item, names)
		total += t.Weight
		tasks = append(tasks, t)
	}
	if len(items) > 0 && total == 0 {
		d.Wrong(n, "all tasks have weight 0, expected one that is ever picked")
	}
	return tasks
}

// task reads a task with steps, or one that is a single request by itself.
func (d *decoder) task(n node, names value.Names) Task {
	t := Task{Pos: d.Pos(n), Weight: 1}
	fields := []document.Field{
		document.Key("name", document.Into(&t.Name, d.name)),
		document.Key("weight", document.Into(&t.Weight, d.Whole(0, maxWeight))),
		document.Key("tags", document.Into(&t.Tags, d.tags)),
		document.Key("steps", func(n node) { t.Steps = d.steps(n, names) }),
	}
	if !hasKey(n.Node, "steps") {
		single := d.newStep(n, maps.Clone(names))
		step := single.fields()
		step = slices.DeleteFunc(step, func(f document.Field) bool { return slices.Contains([]string{"name", "wait", "if"}, f.Name) })
		found, known := d.Mapping(n, "a task", append(fields, step...)...)
		single.request.Name = t.Name
		single.finish(found, known)
		t.Steps = []Step{single.step}
	} else {
		d.Mapping(n, "a task", fields...)
	}
	first := slices.IndexFunc(t.Steps, func(s Step) bool { return s.Request != nil })
	if first < 0 {
		if len(t.Steps) > 0 {
			d.Wrong(n, "the task has no request among its steps, expected at least one")
		}
		return t
	}
	if t.Name == "" {
		t.Name = t.Steps[first].Request.Name
	}
	return t
}

// hasKey looks for a key in a mapping and in what is merged into it.
func hasKey(n *yaml.Node, key string) bool {
	n = document.Follow(n, "").Node
	if n.Kind == yaml.SequenceNode {
		return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return hasKey(c, key) })
	}
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := document.Follow(n.Content[i], "").Node
		if k.Value == key || k.Tag == "!!merge" && hasKey(n.Content[i+1], key) {
			return true
		}
	}
	return false
}

// wait reads how a user waits between iterations.
func (d *decoder) wait(n node) (Wait, bool) {
	return d.waitOf(n, Constant, Between, Exponential, Pacing, Throughput)
}

// pause reads a wait step, which has no iterations to pace.
func (d *decoder) pause(n node) (Wait, bool) {
	return d.waitOf(n, Constant, Between, Exponential)
}

func (d *decoder) waitOf(n node, kinds ...WaitKind) (Wait, bool) {
	w := Wait{Pos: d.Pos(n)}
	if n.Kind == yaml.ScalarNode {
		v, ok := d.Duration(n)
		w.Kind, w.Min = Constant, v
		return w, ok
	}
	var fields []document.Field
	var keys []string
	for _, k := range kinds {
		keys = append(keys, string(k))
		fields = append(fields, document.Key(string(k), func(n node) {
			w.Kind = k
			switch k {
			case Constant:
				w.Min, _ = d.Duration(n)
			case Between:
				w.Min, w.Max = d.between(n)
			case Throughput:
				w.Rate, _ = d.perSecond(n)
			default:
				w.Min, _ = d.Positive(n)
			}
		}))
	}
	found, known := d.Mapping(n, "a wait", fields...)
	d.ExactlyOne(n, found, known, keys...)
	return w, true
}

func (d *decoder) between(n node) (least, most time.Duration) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		d.Wrong(n, "%s, expected the shortest and the longest wait: [1s, 3s]", document.Describe(n))
		return 0, 0
	}
	items := d.Items(n, "durations")
	least, ok := d.Duration(items[0])
	most, ok2 := d.Duration(items[1])
	if ok && ok2 && least > most {
		d.Wrong(n, "%s is longer than %s, expected the shorter one first", document.Quoted(items[0].Value), document.Quoted(items[1].Value))
	}
	return least, most
}

// perSecond reads a rate that is more than nothing and may be a bare number per second.
func (d *decoder) perSecond(n node) (float64, bool) {
	return document.Read(d.Decoder, "a number per second such as 0.5 or 10, or "+document.RateForm, func(s string) (float64, error) {
		rate, err := document.ParseNumber(s)
		if err != nil {
			rate, err = document.ParseRate(s)
		}
		switch {
		case err != nil:
			return 0, err
		case rate == 0:
			return 0, fmt.Errorf("%s is none at all", document.Quoted(s))
		case rate > document.MaxRate:
			return 0, fmt.Errorf("%s is more than %.0f/s", document.Quoted(s), float64(document.MaxRate))
		}
		return rate, nil
	})(n)
}
