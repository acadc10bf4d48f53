package grafana

// Options of the panel types used, under Grafana's own names; see model.go.

// StatOptions are those of a panel of type stat.
type StatOptions struct {
	ColorMode              string        `json:"colorMode"`
	GraphMode              string        `json:"graphMode"`
	JustifyMode            string        `json:"justifyMode"`
	TextMode               string        `json:"textMode"`
	Orientation            string        `json:"orientation"`
	PercentChangeColorMode string        `json:"percentChangeColorMode"`
	ShowPercentChange      bool          `json:"showPercentChange"`
	WideLayout             bool          `json:"wideLayout"`
	ReduceOptions          ReduceOptions `json:"reduceOptions"`
}

// ReduceOptions make one value of a series.
type ReduceOptions struct {
	Calcs  []string `json:"calcs"`
	Fields string   `json:"fields"`
	Values bool     `json:"values"`
}

// TimeSeriesOptions are those of a panel of type timeseries.
type TimeSeriesOptions struct {
	Legend  Legend  `json:"legend"`
	Tooltip Tooltip `json:"tooltip"`
}

// Legend is the key to a graph.
type Legend struct {
	ShowLegend  bool     `json:"showLegend"`
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	Calcs       []string `json:"calcs"`
}

// Tooltip is what shows under the pointer.
type Tooltip struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

// TimeSeriesField is how a series is drawn in a panel of type timeseries.
type TimeSeriesField struct {
	DrawStyle   string     `json:"drawStyle,omitempty"`
	LineWidth   int        `json:"lineWidth"`
	FillOpacity int        `json:"fillOpacity"`
	ShowPoints  string     `json:"showPoints,omitempty"`
	PointSize   int        `json:"pointSize,omitempty"`
	SpanNulls   bool       `json:"spanNulls"`
	AxisLabel   string     `json:"axisLabel,omitempty"`
	AxisSoftMin *float64   `json:"axisSoftMin,omitempty"`
	Stacking    *Stacking  `json:"stacking,omitempty"`
	LineStyle   *LineStyle `json:"lineStyle,omitempty"`
}

// Stacking puts series on top of each other.
type Stacking struct {
	Mode  string `json:"mode"`
	Group string `json:"group"`
}

// LineStyle is how a line is drawn.
type LineStyle struct {
	Fill string `json:"fill"`
	Dash []int  `json:"dash,omitempty"`
}

// HeatmapOptions are those of a panel of type heatmap.
type HeatmapOptions struct {
	Calculate    bool           `json:"calculate"`
	CellGap      int            `json:"cellGap"`
	Color        HeatmapColor   `json:"color"`
	Exemplars    Exemplars      `json:"exemplars"`
	FilterValues FilterValues   `json:"filterValues"`
	Legend       HeatmapLegend  `json:"legend"`
	ShowValue    string         `json:"showValue"`
	Tooltip      HeatmapTooltip `json:"tooltip"`
	YAxis        YAxis          `json:"yAxis"`
	CellValues   CellValues     `json:"cellValues"`
}

// HeatmapColor is the scale of colors of a heat map.
type HeatmapColor struct {
	Mode     string  `json:"mode"`
	Scheme   string  `json:"scheme"`
	Fill     string  `json:"fill"`
	Scale    string  `json:"scale"`
	Exponent float64 `json:"exponent"`
	Steps    int     `json:"steps"`
	Reverse  bool    `json:"reverse"`
}

// Exemplars is the color of exemplars.
type Exemplars struct {
	Color string `json:"color"`
}

// FilterValues leaves out cells whose value is less.
type FilterValues struct {
	LE float64 `json:"le"`
}

// HeatmapLegend shows the scale of colors.
type HeatmapLegend struct {
	Show bool `json:"show"`
}

// HeatmapTooltip is what shows under the pointer.
type HeatmapTooltip struct {
	Mode           string `json:"mode"`
	ShowColorScale bool   `json:"showColorScale"`
	YHistogram     bool   `json:"yHistogram"`
}

// YAxis is the vertical axis of a heat map.
type YAxis struct {
	AxisPlacement string `json:"axisPlacement"`
	Unit          string `json:"unit"`
	Reverse       bool   `json:"reverse"`
}

// CellValues is how the values of cells are shown.
type CellValues struct {
	Unit string `json:"unit"`
}

// HeatmapField is how a heat map's axis is scaled.
type HeatmapField struct {
	ScaleDistribution ScaleDistribution `json:"scaleDistribution"`
}

// ScaleDistribution is linear, or logarithmic to a base.
type ScaleDistribution struct {
	Type string `json:"type"`
	Log  int    `json:"log,omitempty"`
}

// TableOptions are those of a panel of type table.
type TableOptions struct {
	ShowHeader bool        `json:"showHeader"`
	FrameIndex int         `json:"frameIndex"`
	CellHeight string      `json:"cellHeight"`
	SortBy     []TableSort `json:"sortBy,omitempty"`
}

// TableSort orders a table by a column.
type TableSort struct {
	DisplayName string `json:"displayName"`
	Desc        bool   `json:"desc"`
}

// TableField is how a column of a table is shown.
type TableField struct {
	Align       string      `json:"align"`
	CellOptions CellOptions `json:"cellOptions"`
	Inspect     bool        `json:"inspect"`
	Filterable  bool        `json:"filterable"`
}

// CellOptions is how a cell of a table is shown.
type CellOptions struct {
	Type string `json:"type"`
}

// StatusHistoryOptions are those of a panel of type status-history.
type StatusHistoryOptions struct {
	RowHeight float64 `json:"rowHeight"`
	ColWidth  float64 `json:"colWidth"`
	ShowValue string  `json:"showValue"`
	Legend    Legend  `json:"legend"`
	Tooltip   Tooltip `json:"tooltip"`
}

// StatusHistoryField is how a cell of a status history is drawn.
type StatusHistoryField struct {
	LineWidth   int `json:"lineWidth"`
	FillOpacity int `json:"fillOpacity"`
}
