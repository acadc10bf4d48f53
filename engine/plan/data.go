package plan

import (
	"slices"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/feed"
	"tidegauge/engine/value"
)

// data reads the data sets and adds their columns to what expressions may use. A set that cannot be read counts as one with
// any column, so that its mistake is not repeated by every expression.
func (d *decoder) data(n node, names value.Names) []Data {
	members, _ := d.members(n, "a mapping of data set names to files")
	all := make([]Data, 0, len(members))
	for _, m := range members {
		if err := value.CheckName(m.key.Value); err != nil {
			d.wrong(m.key, "%s", oneLine(err.Error()))
		}
		one, columns := d.dataSet(m)
		names[m.key.Value] = columns
		all = append(all, one)
	}
	return all
}

func (d *decoder) dataSet(m member) (Data, []string) {
	one := Data{Pos: d.pos(m.key), Name: m.key.Value, Order: feed.Sequential}
	formats, orders := feed.Formats(), orderNames()
	file := m.value
	before := len(d.errs)
	if m.value.Kind == yaml.ScalarNode {
		one.File, _ = d.file(m.value)
	} else {
		found, known := d.mapping(m.value, "a data set",
			field{"file", into(&one.File, d.file)},
			field{"format", into(&one.Format, func(n node) (string, bool) { return d.choice(n, "format", formats) })},
			field{"order", func(n node) {
				if order, ok := d.choice(n, "order", orders); ok {
					one.Order = Order(order)
				}
			}},
		)
		if _, ok := found["file"]; !ok && known {
			d.wrong(m.value, "file is missing, expected a %s file relative to the plan", join(formats, "or"))
		}
		file = found["file"].value
	}
	if one.File == "" || len(d.errs) > before {
		return one, nil
	}
	f, err := feed.Open(feed.Options{Name: one.Name, File: one.File, Format: one.Format, Order: one.Order})
	if err != nil {
		d.wrong(file, "%s", oneLine(err.Error()))
		return one, nil
	}
	one.Rows = f.Len()
	return one, f.Columns()
}

func orderNames() []string {
	var names []string
	for _, o := range feed.Orders() {
		names = append(names, string(o))
	}
	return names
}

// choice reads a word that is one of a few.
func (d *decoder) choice(n node, kind string, words []string) (string, bool) {
	word, ok := d.constant(n, oneOf(words))
	if !ok {
		return "", false
	}
	if !slices.Contains(words, word) {
		if near := nearest(word, words); near != "" {
			d.wrong(n, "unknown %s %s, did you mean %s?", kind, quoted(word), near)
		} else {
			d.wrong(n, "unknown %s %s, expected %s", kind, quoted(word), oneOf(words))
		}
		return "", false
	}
	return word, true
}
