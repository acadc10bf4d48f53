package grafana

import "tidegauge/engine/catalog"

// Units, as Grafana calls them.
const (
	unitSeconds  = "s"
	unitShare    = "percentunit"
	unitCount    = "short"
	unitRequests = "reqps"
	unitItems    = "ops"
	unitBytes    = "Bps"
	unitSize     = "bytes"
	unitTime     = "dateTimeAsLocal" // of milliseconds
)

const columns = 24

// board places panels from left to right and from top to bottom, and numbers them.
type board struct {
	panels     []Panel
	x, y, high int
}

func (b *board) add(w, h int, p Panel) {
	if b.x+w > columns {
		b.newLine()
	}
	p.ID = len(b.panels) + 1
	p.GridPos = GridPos{H: h, W: w, X: b.x, Y: b.y}
	b.panels = append(b.panels, p)
	b.x += w
	b.high = max(b.high, h)
}

func (b *board) newLine() { b.x, b.y, b.high = 0, b.y+b.high, 0 }

// row begins a part of the dashboard.
func (b *board) row(title string) {
	if b.x > 0 {
		b.newLine()
	}
	b.add(columns, 1, Panel{Type: "row", Title: title, Collapsed: new(bool), Panels: []Panel{}})
	b.newLine()
}

func source() *DatasourceRef { return &DatasourceRef{Type: "prometheus", UID: "${datasource}"} }

// graphed is a query for a graph, now one for a single point in time, tabled one for a table.
func graphed(expr, legend string) Target {
	return Target{Expr: expr, LegendFormat: legend, Format: "time_series", Range: true, EditorMode: "code"}
}

func now(expr, legend string) Target {
	return Target{Expr: expr, LegendFormat: legend, Format: "time_series", Instant: true, EditorMode: "code"}
}

func tabled(expr string) Target {
	return Target{Expr: expr, Format: "table", Instant: true, EditorMode: "code"}
}

// panel is what all panels have in common. The targets get their letters.
func panel(kind, title, description string, targets []Target, f Field, options any) Panel {
	for i := range targets {
		targets[i].RefID = refID(i)
	}
	return Panel{
		Type: kind, Title: title, Description: description, Datasource: source(), Targets: targets,
		FieldConfig: &FieldConfig{Defaults: f, Overrides: []Override{}}, Options: options,
	}
}

func refID(i int) string { return string(rune('A' + i)) }

// stat is one number, reduced from its series by calc.
func stat(title, description, calc string, f Field, t Target) Panel {
	o := StatOptions{
		ColorMode: "value", GraphMode: "none", JustifyMode: "auto", TextMode: "auto", Orientation: "auto",
		PercentChangeColorMode: "standard", WideLayout: true, ReduceOptions: ReduceOptions{Calcs: []string{calc}},
	}
	if t.Range {
		o.GraphMode = "area"
	}
	if f.Color == nil {
		f.Color = &Color{Mode: "fixed", FixedColor: "text"}
	}
	if f.Mappings != nil || f.Thresholds != nil {
		o.ColorMode = "background"
		f.Color = &Color{Mode: "thresholds"}
	}
	return panel("stat", title, description, []Target{t}, f, o)
}

// graph draws series over time.
func graph(title, description, unit, noValue string, targets ...Target) Panel {
	f := Field{
		Unit: unit, NoValue: noValue, Min: new(float64), Color: &Color{Mode: "palette-classic"},
		Custom: TimeSeriesField{DrawStyle: "line", LineWidth: 1, FillOpacity: 5, ShowPoints: "auto"},
	}
	return panel("timeseries", title, description, targets, f, TimeSeriesOptions{
		Legend:  Legend{ShowLegend: true, DisplayMode: "table", Placement: "bottom", Calcs: []string{"mean", "max"}},
		Tooltip: Tooltip{Mode: "multi", Sort: "desc"},
	})
}

// heatmap draws native histograms over time. Their buckets are fine: fewer columns keep the answers small.
func heatmap(title, description, unit, noValue, expr string) Panel {
	t := graphed(expr, "")
	t.Format = "heatmap"
	f := Field{NoValue: noValue, Custom: HeatmapField{ScaleDistribution{Type: "log", Log: 2}}}
	p := panel("heatmap", title, description, []Target{t}, f, HeatmapOptions{
		Color:        HeatmapColor{Mode: "scheme", Scheme: "Turbo", Fill: "dark-orange", Scale: "exponential", Exponent: 0.5, Steps: 64},
		Exemplars:    Exemplars{Color: "rgba(255,0,255,0.7)"},
		FilterValues: FilterValues{LE: 1e-9},
		Legend:       HeatmapLegend{Show: true},
		ShowValue:    "never",
		Tooltip:      HeatmapTooltip{Mode: "single", ShowColorScale: true, YHistogram: true},
		YAxis:        YAxis{AxisPlacement: "left", Unit: unit},
		CellValues:   CellValues{Unit: unitRequests},
	})
	p.MaxDataPoints = 120
	return p
}

// column is one of a table: a label of the catalog, or a query.
type column struct {
	title string
	label string // or
	expr  string
	field Field
	links []DataLink
}

// table joins instant queries by their labels. Columns of labels come first.
func table(title, description, noValue string, columns ...column) Panel {
	order := Organize{ExcludeByName: map[string]bool{"Time": true}, IndexByName: map[string]int{}, RenameByName: map[string]string{}}
	var targets []Target
	var overrides []Override
	for i, c := range columns {
		name := label(c.label)
		if c.expr != "" {
			name = "Value #" + refID(len(targets))
			targets = append(targets, tabled(c.expr))
		}
		order.IndexByName[name], order.RenameByName[name] = i, c.title
		if o := c.override(); len(o.Properties) > 0 {
			overrides = append(overrides, o)
		}
	}
	if len(targets) == 1 { // Grafana numbers them only when there are several
		order = renameKey(order, "Value #A", "Value")
	}
	f := Field{NoValue: noValue, Custom: TableField{Align: "auto", CellOptions: CellOptions{Type: "auto"}, Filterable: true}}
	p := panel("table", title, description, targets, f, TableOptions{ShowHeader: true, CellHeight: "sm"})
	p.Transformations = []Transformation{{ID: "merge", Options: struct{}{}}, {ID: "organize", Options: order}}
	if overrides != nil {
		p.FieldConfig.Overrides = overrides
	}
	return p
}

func renameKey(o Organize, from, to string) Organize {
	o.IndexByName[to], o.RenameByName[to] = o.IndexByName[from], o.RenameByName[from]
	delete(o.IndexByName, from)
	delete(o.RenameByName, from)
	return o
}

func (c *column) override() Override {
	o := Override{Matcher: Matcher{ID: "byName", Options: c.title}}
	set := func(id string, value any) { o.Properties = append(o.Properties, Property{id, value}) }
	if c.field.Unit != "" {
		set("unit", c.field.Unit)
	}
	if c.field.Decimals != nil {
		set("decimals", *c.field.Decimals)
	}
	if c.field.NoValue != "" {
		set("noValue", c.field.NoValue)
	}
	if c.field.Mappings != nil {
		set("mappings", c.field.Mappings)
		set("custom.cellOptions", CellOptions{Type: "color-text"})
	}
	if c.links != nil {
		set("links", c.links)
	}
	return o
}

// sortedBy orders a table by a column, largest first.
func sortedBy(p Panel, title string) Panel {
	if o, ok := p.Options.(TableOptions); ok {
		o.SortBy = []TableSort{{DisplayName: title, Desc: true}}
		p.Options = o
	}
	return p
}

// styled changes how the series whose legend fits a regular expression are drawn.
func styled(p Panel, regexp string, properties ...Property) Panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, Override{Matcher{ID: "byRegexp", Options: regexp}, properties})
	return p
}

func verdictWords() []Mapping {
	return []Mapping{{Type: "value", Options: map[string]Word{
		"1":  {Text: "pass", Color: "green", Index: 0},
		"0":  {Text: "fail", Color: "red", Index: 1},
		"-1": {Text: "inconclusive", Color: "orange", Index: 2},
	}}}
}

func objectiveWords() []Mapping {
	return []Mapping{{Type: "value", Options: map[string]Word{
		"1": {Text: "met", Color: "green", Index: 0},
		"0": {Text: "missed", Color: "red", Index: 1},
	}}}
}

// datasourceVariable chooses among the Prometheus data sources.
func datasourceVariable() Variable {
	return Variable{
		Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1,
		Description: "A Prometheus that tidegauge writes to, or tidegauge itself",
	}
}

// labelVariable chooses among the values of a label, of which that of the catalog is the variable's name, too.
func labelVariable(name, title, description, selector string) Variable {
	return Variable{
		Name: name, Label: title, Description: description, Type: "query", Datasource: source(), Refresh: 2, Sort: 1,
		Query: VariableQuery{QueryType: 1, Query: "label_values(" + selector + ", " + label(name) + ")", RefID: "PrometheusVariableQueryEditor-VariableQuery"},
	}
}

// many lets a variable have several values; all of them are chosen at first.
func many(v Variable) Variable {
	v.Multi, v.IncludeAll, v.AllValue = true, true, ".*"
	v.Current = &Option{Text: []string{"All"}, Value: []string{"$__all"}}
	return v
}

// planAndTest are the variables by which runs are found.
func planAndTest() []Variable {
	return []Variable{
		many(labelVariable(catalog.LabelPlan, "Plan", "Plans with a run in the time range", selector(catalog.RunInfo))),
		many(labelVariable(catalog.LabelTest, "Test", "Tests of the plans with a run in the time range", selector(catalog.RunInfo, chosen(catalog.LabelPlan)))),
	}
}

func link(title, uid, tooltip string) Link {
	return Link{Title: title, Type: "link", URL: "/d/" + uid, Icon: "dashboard", Tooltip: tooltip, Tags: []string{}, IncludeVars: true}
}

// annotation marks when the values of a query are above zero.
func annotation(name, color, expr, title, text string) Annotation {
	t := graphed(expr, "")
	t.RefID = "Anno"
	return Annotation{Name: name, Datasource: *source(), Enable: true, IconColor: color, Target: t, TitleFormat: title, TextFormat: text}
}
