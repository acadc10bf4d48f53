package plan

import (
	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
	"tidegauge/engine/feed"
	"tidegauge/engine/value"
)

// data reads the data sets and adds their columns to what expressions may use. A set that cannot be read counts as one with
// any column, so that its mistake is not repeated by every expression.
func (d *decoder) data(n node, names value.Names) []Data {
	members, _ := d.Members(n, "a mapping of data set names to files")
	all := make([]Data, 0, len(members))
	for _, m := range members {
		if err := value.CheckName(m.Key.Value); err != nil {
			d.Wrong(m.Key, "%s", document.OneLine(err.Error()))
		}
		one, columns := d.dataSet(m)
		names[m.Key.Value] = columns
		all = append(all, one)
	}
	return all
}

func (d *decoder) dataSet(m member) (Data, []string) {
	one := Data{Pos: d.Pos(m.Key), Name: m.Key.Value, Order: feed.Sequential}
	formats, orders := feed.Formats(), orderNames()
	file := m.Value
	before := d.Count()
	if m.Value.Kind == yaml.ScalarNode {
		one.File, _ = d.FileName(m.Value)
	} else {
		found, known := d.Mapping(m.Value, "a data set",
			document.Key("file", document.Into(&one.File, d.FileName)),
			document.Key("format", document.Into(&one.Format, func(n node) (string, bool) { return d.Choice(n, "format", formats) })),
			document.Key("order", func(n node) {
				if order, ok := d.Choice(n, "order", orders); ok {
					one.Order = Order(order)
				}
			}),
		)
		if _, ok := found["file"]; !ok && known {
			d.Wrong(m.Value, "file is missing, expected a %s file relative to the plan", document.Join(formats, "or"))
		}
		file = found["file"].Value
	}
	if one.File == "" || d.Count() > before {
		return one, nil
	}
	f, err := feed.Open(feed.Options{Name: one.Name, File: one.File, Format: one.Format, Order: one.Order})
	if err != nil {
		d.Wrong(file, "%s", document.OneLine(err.Error()))
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
