package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/value"
)

func (d *decoder) classes(n node, names value.Names) []UserClass {
	members, ok := d.members(n, "a mapping of class names to user classes")
	if ok && len(members) == 0 {
		d.wrong(n, "there is no class, expected at least one: classes: {User: {tasks: [{get: /}]}}")
	}
	all := make([]UserClass, 0, len(members))
	for _, m := range members {
		d.keyName(m.key)
		all = append(all, d.class(m, names))
	}
	return all
}

func (d *decoder) class(m member, names value.Names) UserClass {
	n := m.value
	c := UserClass{Pos: d.pos(m.key), Name: m.key.Value, Weight: 1, Data: dataUsed(n, names)}
	var tags []string
	found, known := d.mapping(n, "a user class",
		field{"weight", into(&c.Weight, d.whole(0, maxWeight))},
		field{"fixed", into(&c.Fixed, d.whole(1, maxUsers))},
		field{"wait", into(&c.Wait, d.wait)},
		field{"tags", into(&tags, d.tags)},
		field{"tasks", func(n node) { c.Tasks = d.tasks(n, names) }},
	)
	if w, ok := found["weight"]; ok && c.Weight == 0 && c.Fixed == 0 {
		d.wrong(w.value, "a weight of 0 means that nobody is of this class, expected at least 1, or fixed: a number of users")
	}
	if _, ok := found["tasks"]; !ok && known {
		d.wrong(n, "tasks is missing, expected what the users do: tasks: [{get: /}]")
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
				d.wrong(d.requests[r], "%s has the name %s, as has the %s in line %d: one name is one series, expected another name",
					r.Method, quoted(r.Name), before.Method, before.Pos.Line)
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
	for _, item := range d.items(n, "tags") {
		tag, ok := d.name(item)
		if ok && strings.Contains(tag, ",") {
			d.wrong(item, "the tag %s has a comma, expected one without: --tags separates tags by commas", quoted(tag))
		}
		if ok {
			tags = append(tags, tag)
		}
	}
	return tags, true
}

func (d *decoder) tasks(n node, names value.Names) []Task {
	items := d.items(n, "tasks")
	tasks := make([]Task, 0, len(items))
	total := 0
	for _, item := range items {
		t := d.task(item, names)
		total += t.Weight
		tasks = append(tasks, t)
	}
	if len(items) > 0 && total == 0 {
		d.wrong(n, "all tasks have weight 0, expected one that is ever picked")
	}
	return tasks
}

// task reads a task with steps, or one that is a single request by itself.
func (d *decoder) task(n node, names value.Names) Task {
	t := Task{Pos: d.pos(n), Weight: 1}
	fields := []field{
		{"name", into(&t.Name, d.name)},
		{"weight", into(&t.Weight, d.whole(0, maxWeight))},
		{"tags", into(&t.Tags, d.tags)},
		{"steps", func(n node) { t.Steps = d.steps(n, names) }},
	}
	if !hasKey(n.Node, "steps") {
		single := d.newStep(n, maps.Clone(names))
		step := single.fields()
		step = slices.DeleteFunc(step, func(f field) bool { return f.key == "name" || f.key == "wait" || f.key == "if" })
		found, known := d.mapping(n, "a task", append(fields, step...)...)
		single.request.Name = t.Name
		single.finish(found, known)
		t.Steps = []Step{single.step}
	} else {
		d.mapping(n, "a task", fields...)
	}
	first := slices.IndexFunc(t.Steps, func(s Step) bool { return s.Request != nil })
	if first < 0 {
		if len(t.Steps) > 0 {
			d.wrong(n, "the task has no request among its steps, expected at least one")
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
	n = follow(n, "").Node
	if n.Kind == yaml.SequenceNode {
		return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return hasKey(c, key) })
	}
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := follow(n.Content[i], "").Node
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
	w := Wait{Pos: d.pos(n)}
	if n.Kind == yaml.ScalarNode {
		v, ok := d.duration(n)
		w.Kind, w.Min = Constant, v
		return w, ok
	}
	var fields []field
	var keys []string
	for _, k := range kinds {
		keys = append(keys, string(k))
		fields = append(fields, field{string(k), func(n node) {
			w.Kind = k
			switch k {
			case Constant:
				w.Min, _ = d.duration(n)
			case Between:
				w.Min, w.Max = d.between(n)
			case Throughput:
				w.Rate, _ = d.perSecond(n)
			default:
				w.Min, _ = d.positive(n)
			}
		}})
	}
	found, known := d.mapping(n, "a wait", fields...)
	d.exactlyOne(n, found, known, keys...)
	return w, true
}

func (d *decoder) between(n node) (least, most time.Duration) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		d.wrong(n, "%s, expected the shortest and the longest wait: [1s, 3s]", describe(n))
		return 0, 0
	}
	items := d.items(n, "durations")
	least, ok := d.duration(items[0])
	most, ok2 := d.duration(items[1])
	if ok && ok2 && least > most {
		d.wrong(n, "%s is longer than %s, expected the shorter one first", quoted(items[0].Value), quoted(items[1].Value))
	}
	return least, most
}

// perSecond reads a rate that is more than nothing and may be a bare number per second.
func (d *decoder) perSecond(n node) (float64, bool) {
	return read(d, "a number per second such as 0.5 or 10, or "+rateForm, func(s string) (float64, error) {
		rate, err := parseNumber(s)
		if err != nil {
			rate, err = parseRate(s)
		}
		switch {
		case err != nil:
			return 0, err
		case rate == 0:
			return 0, fmt.Errorf("%s is none at all", quoted(s))
		case rate > maxRate:
			return 0, fmt.Errorf("%s is more than %.0f/s", quoted(s), float64(maxRate))
		}
		return rate, nil
	})(n)
}
