// What the committed dashboards may hold: Grafana's own types, with panel options and queries made strict, which Grafana
// leaves open.
import type {
  AnnotationQuery, AxisPlacement, Dashboard, DashboardLink, FieldColor, FieldConfig, GridPos, LineStyle, MatcherConfig,
  TableCellDisplayMode, ValueMapping, VariableModel,
} from '@grafana/schema';
import type {Options as HeatmapOptions, FieldConfig as HeatmapField} from 'panel/heatmap';
import type {Options as StatOptions} from 'panel/stat';
import type {Options as StatusHistoryOptions, FieldConfig as StatusHistoryField} from 'panel/statushistory';
import type {Options as TableOptions, FieldConfig as TableField} from 'panel/table';
import type {Options as TimeSeriesOptions, FieldConfig as TimeSeriesField} from 'panel/timeseries';

interface Source {
  type: 'prometheus' | 'influxdb';
  uid: '${datasource}';
}

// A query of the Prometheus data source.
interface Query {
  refId: string;
  expr: string;
  legendFormat?: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
  editorMode: 'code' | 'builder';
}

// A query of the InfluxDB data source, in InfluxQL.
interface InfluxQuery {
  refId: string;
  query: string;
  rawQuery: true;
  resultFormat: 'time_series' | 'table';
  alias?: string;
}

interface VariableQuery {
  qryType: 0 | 1 | 2 | 3 | 4 | 5;
  query: string;
  refId: string;
}

type AnyVariable = Omit<VariableModel, 'datasource' | 'query' | 'type'>;

interface DatasourceVariable extends AnyVariable {
  type: 'datasource';
  query: 'prometheus' | 'influxdb';
}

interface QueryVariable extends AnyVariable {
  type: 'query';
  datasource: Source;
  query: VariableQuery | string; // InfluxQL is a string
}

// What the Prometheus data source adds to an annotation query.
interface Annotation extends Pick<AnnotationQuery, 'name' | 'enable' | 'iconColor'> {
  datasource: Source;
  target: Query;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean;
}

interface Organize {
  excludeByName: Record<string, boolean>;
  indexByName: Record<string, number>;
  renameByName: Record<string, string>;
}

type Transformation = {id: 'merge'; options: Record<string, never>} | {id: 'organize'; options: Organize};

// The settings of an override: the id says which, and so of which type the value is.
interface Setting<ID, Value> {
  id: ID;
  value: Value;
}

interface DataLink {
  title: string;
  url: string;
  targetBlank: boolean;
}

type AnySetting =
  | Setting<'unit', string>
  | Setting<'decimals', number>
  | Setting<'noValue', string>
  | Setting<'mappings', ValueMapping[]>
  | Setting<'color', FieldColor>
  | Setting<'links', DataLink[]>
  | Setting<'custom.lineStyle', LineStyle>
  | Setting<'custom.fillOpacity', number>
  | Setting<'custom.axisPlacement', AxisPlacement>
  | Setting<'custom.cellOptions', {type: TableCellDisplayMode}>;

interface PanelOf<Kind, Options, Custom> {
  id: number;
  type: Kind;
  title: string;
  description: string;
  gridPos: GridPos;
  datasource: Source;
  targets: Query[] | InfluxQuery[];
  maxDataPoints?: number;
  transformations?: Transformation[];
  fieldConfig: {
    defaults: Omit<FieldConfig, 'custom' | 'actions'> & {custom?: Partial<Custom>};
    overrides: Array<{matcher: Omit<MatcherConfig, 'options' | 'id'> & {id: 'byName' | 'byRegexp'; options: string}; properties: AnySetting[]}>;
  };
  options: Options;
}

interface Row {
  id: number;
  type: 'row';
  title: string;
  collapsed: boolean;
  gridPos: GridPos;
  panels: never[];
}

type Panel =
  | Row
  | PanelOf<'stat', StatOptions, {}>
  | PanelOf<'timeseries', TimeSeriesOptions, TimeSeriesField>
  | PanelOf<'heatmap', HeatmapOptions, HeatmapField>
  | PanelOf<'table', TableOptions, TableField>
  | PanelOf<'status-history', StatusHistoryOptions, StatusHistoryField>;

export interface Board extends Omit<Dashboard, 'panels' | 'templating' | 'annotations' | 'links' | 'schemaVersion' | 'uid' | 'snapshot'> {
  uid: string;
  schemaVersion: 42;
  links: DashboardLink[];
  templating: {list: Array<DatasourceVariable | QueryVariable>};
  annotations: {list: Annotation[]};
  panels: Panel[];
}
