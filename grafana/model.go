package grafana

// The part of Grafana's dashboard model (schema version 42) that the dashboards use, under Grafana's own names. The zero
// value of an optional field leaves it out of the JSON.

const schemaVersion = 42

// Dashboard is a whole dashboard.
type Dashboard struct {
	UID           string         `json:"uid"`
	Title         string         `json:"title"`
	Description   string         `json:"description"`
	Tags          []string       `json:"tags"`
	SchemaVersion int            `json:"schemaVersion"`
	Editable      bool           `json:"editable"`
	GraphTooltip  int            `json:"graphTooltip"` // 1: one crosshair over all panels
	Timezone      string         `json:"timezone"`
	Refresh       string         `json:"refresh,omitempty"`
	Time          TimeRange      `json:"time"`
	Timepicker    Timepicker     `json:"timepicker"`
	Links         []Link         `json:"links"`
	Templating    VariableList   `json:"templating"`
	Annotations   AnnotationList `json:"annotations"`
	Panels        []Panel        `json:"panels"`
}

// TimeRange is what a dashboard shows when it is opened.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Timepicker lists the refresh intervals on offer.
type Timepicker struct {
	RefreshIntervals []string `json:"refresh_intervals"`
}

// Link leads from one dashboard to another.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"` // link
	URL         string   `json:"url"`
	Icon        string   `json:"icon"`
	Tooltip     string   `json:"tooltip"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
	TargetBlank bool     `json:"targetBlank"`
}

// VariableList holds the variables of a dashboard.
type VariableList struct {
	List []Variable `json:"list"`
}

// Variable is one drop-down at the top of a dashboard. Query is a VariableQuery where a Prometheus is asked, else a string.
type Variable struct {
	Name        string         `json:"name"`
	Label       string         `json:"label"`
	Description string         `json:"description"`
	Type        string         `json:"type"` // datasource, query
	Datasource  *DatasourceRef `json:"datasource,omitempty"`
	Query       any            `json:"query"`
	Refresh     int            `json:"refresh"` // 1: on load, 2: when the time range changes
	Sort        int            `json:"sort"`    // 1: ascending, 2: descending
	Multi       bool           `json:"multi"`
	IncludeAll  bool           `json:"includeAll"`
	AllValue    string         `json:"allValue,omitempty"`
	Current     *Option        `json:"current,omitempty"`
}

// Option is a choice of a variable.
type Option struct {
	Text  []string `json:"text"`
	Value []string `json:"value"`
}

// VariableQuery asks a Prometheus data source for the values of a variable.
type VariableQuery struct {
	QueryType int    `json:"qryType"` // 1: label values
	Query     string `json:"query"`
	RefID     string `json:"refId"`
}

// DatasourceRef names a data source.
type DatasourceRef struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// AnnotationList holds the annotation queries of a dashboard.
type AnnotationList struct {
	List []Annotation `json:"list"`
}

// Annotation marks times on every panel: where the values of the query are above zero.
type Annotation struct {
	Name            string        `json:"name"`
	Datasource      DatasourceRef `json:"datasource"`
	Enable          bool          `json:"enable"`
	IconColor       string        `json:"iconColor"`
	Target          Target        `json:"target"`
	TitleFormat     string        `json:"titleFormat"`
	TextFormat      string        `json:"textFormat"`
	TagKeys         string        `json:"tagKeys,omitempty"`
	UseValueForTime bool          `json:"useValueForTime,omitempty"` // the value is the time, in milliseconds
}

// Panel is one panel, or a row that heads those below it.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         GridPos          `json:"gridPos"`
	Datasource      *DatasourceRef   `json:"datasource,omitempty"`
	Targets         []Target         `json:"targets,omitempty"`
	MaxDataPoints   int              `json:"maxDataPoints,omitempty"`
	Transformations []Transformation `json:"transformations,omitempty"`
	FieldConfig     *FieldConfig     `json:"fieldConfig,omitempty"`
	Options         any              `json:"options,omitempty"`   // of the panel's type
	Collapsed       *bool            `json:"collapsed,omitempty"` // rows only
	Panels          []Panel          `json:"panels,omitzero"`     // rows only; empty unless collapsed
}

// GridPos is where a panel is: 24 columns, rows of 30 pixels.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Target is one query: in PromQL, or in InfluxQL, which has other keys in the JSON.
type Target struct {
	InfluxQL     string `json:"-"` // or
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Format       string `json:"format"` // time_series, table, heatmap
	Instant      bool   `json:"instant"`
	Range        bool   `json:"range"`
	EditorMode   string `json:"editorMode"`
}

// Transformation changes the data between query and panel.
type Transformation struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

// Organize are the options of the transformation that orders, renames and leaves out columns.
type Organize struct {
	ExcludeByName map[string]bool   `json:"excludeByName"`
	IndexByName   map[string]int    `json:"indexByName"`
	RenameByName  map[string]string `json:"renameByName"`
}

// FieldConfig says how values are shown.
type FieldConfig struct {
	Defaults  Field      `json:"defaults"`
	Overrides []Override `json:"overrides"`
}

// Field is how one value is shown. Custom depends on the panel's type.
type Field struct {
	Unit       string      `json:"unit,omitempty"`
	Decimals   *int        `json:"decimals,omitempty"`
	Min        *float64    `json:"min,omitempty"`
	Max        *float64    `json:"max,omitempty"`
	NoValue    string      `json:"noValue,omitempty"`
	Color      *Color      `json:"color,omitempty"`
	Mappings   []Mapping   `json:"mappings,omitempty"`
	Thresholds *Thresholds `json:"thresholds,omitempty"`
	Custom     any         `json:"custom,omitempty"`
}

// Color is how a value gets its color.
type Color struct {
	Mode       string `json:"mode"`
	FixedColor string `json:"fixedColor,omitempty"`
}

// Mapping shows words in place of values.
type Mapping struct {
	Type    string          `json:"type"` // value
	Options map[string]Word `json:"options"`
}

// Word is what is shown in place of a value.
type Word struct {
	Text  string `json:"text"`
	Color string `json:"color,omitempty"`
	Index int    `json:"index"`
}

// Thresholds color values by how large they are.
type Thresholds struct {
	Mode  string `json:"mode"` // absolute
	Steps []Step `json:"steps"`
}

// Step is a color from a value on; without a value it is the lowest.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Override changes how the fields that match are shown.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Matcher chooses fields.
type Matcher struct {
	ID      string `json:"id"` // byName, byRegexp, byFrameRefID
	Options string `json:"options"`
}

// Property is one setting of an override.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// DataLink leads from a value to where it points.
type DataLink struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	TargetBlank bool   `json:"targetBlank"`
}
