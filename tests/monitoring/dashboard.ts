// Grafana's own types as a judge of what we generate; see test_schema.py.
import type { AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';
import type * as barchart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen.js';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.js';
import type * as states from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.js';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.js';
import type * as series from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.js';
import type * as trend from '@grafana/schema/dist/esm/raw/composable/trend/panelcfg/x/TrendPanelCfg_types.gen.js';

// JSON holds the values of enumerations as text; a template literal turns one into the other.
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

// What the data source for InfluxDB reads of an annotation is in no published type.
interface InfluxEvents extends DataQuery {
  fromAnnotations: true;
  name: string;
  query: string;
  rawQuery: true;
  resultFormat: 'time_series';
  tagsColumn: string;
  textColumn: string;
}

export type Board = Json<
  Omit<Dashboard, 'annotations'> & { annotations: { list: AnnotationQuery<InfluxEvents>[] } }
>;

interface Kinds {
  barchart: [barchart.Options, barchart.FieldConfig];
  stat: [stat.Options, object];
  'state-timeline': [states.Options, states.FieldConfig];
  table: [table.Options, table.FieldConfig];
  timeseries: [series.Options, series.FieldConfig];
  trend: [trend.Options, trend.FieldConfig];
}

// A panel's own part: its options, and its fields'.
export type Own<K extends keyof Kinds> = Json<{
  options: Partial<Kinds[K][0]>;
  custom: Partial<Kinds[K][1]>;
}>;
